//! The train of the examples through the command line alone, on the real binary.
//!
//! What is shown here is what `docs/tutorials/release-train.md` tells.

mod demonstration;
mod support;

use demonstration::{Demo, SIGN_OFF};
use serde_json::Value;

/// People, a repository and services, with the definitions of the examples applied.
fn house() -> Demo {
    let demo = Demo::start(&["--until", "setup", "--speed", "20000"]);
    let definitions = demo.directory().join("acme/definitions");
    let definitions = definitions.to_str().expect("text");
    let applied = demo.cli("rita", &["apply", "-f", definitions]).ok();
    assert!(applied.contains("system-release-train"), "{applied}");
    demo
}

fn create(demo: &Demo, process: &str, inputs: &[&str]) -> String {
    let set = match process {
        "hotfix" => "hotfix-defaults",
        _ => "train-defaults",
    };
    let mut args = vec!["release", "create", "--org", "acme", "--process", process];
    args.extend(["--input-set", set, "-o", "json"]);
    for input in inputs {
        args.extend(["--input", input]);
    }
    let created: Value = demo.cli("rita", &args).json();
    created["id"].as_str().expect("an id").to_owned()
}

#[test]
fn the_train_runs_to_success_through_the_command_line_alone() {
    let demo = house();
    let nowhere = format!("announcementUrl={}/nowhere", demo.services());
    let train = create(
        &demo,
        "system-release-train",
        &[
            "releaseVersion=2.4.0",
            "baseBranch=mian",
            "soak=1d",
            &nowhere,
        ],
    );
    demo.cli("rita", &["release", "start", &train]).ok();

    // The branch is misspelled: the same work is tried again with another input, for this attempt only.
    demo.needs_somebody(&train, "branch-cut/cut");
    let watched = demo.cli("vic", &["release", "watch", &train, "--timeout", "1s"]);
    assert_eq!(watched.code, Some(4), "{}", watched.shown());
    let log = demo.cli("ben", &["activity", "logs", &train, "branch-cut/cut"]);
    assert!(log.ok().contains("there is no branch `mian`"));
    let retry = ["activity", "retry", &train, "branch-cut/cut"];
    let fix = ["--set", "baseBranch=main", "--reason", "a slip of the pen"];
    demo.cli("ben", &[&retry[..], &fix[..]].concat()).ok();

    // Two people, neither of them whoever asked for the release.
    demo.needs_somebody(&train, SIGN_OFF);
    let approve = ["activity", "approve", &train, SIGN_OFF];
    assert_eq!(demo.cli("rita", &approve).code, Some(3));
    demo.cli("anna", &approve).ok();
    assert_eq!(demo.release(&train)["status"], "OnHold");
    assert_eq!(
        demo.cli("anna", &approve).code,
        Some(3),
        "one person counts once"
    );
    demo.cli("ben", &approve).ok();

    // Nobody answers at the address of the announcement; the phase is optional, so the train is none the worse.
    demo.needs_somebody(&train, "announcement/post");
    let ignore = ["activity", "ignore", &train, "announcement/post"];
    let reason = ["--reason", "the customers were told by telephone"];
    assert_eq!(demo.cli("ben", &ignore).code, Some(2), "a reason is needed");
    assert_eq!(
        demo.cli("vic", &[&ignore[..], &reason[..]].concat()).code,
        Some(3)
    );
    demo.cli("ben", &[&ignore[..], &reason[..]].concat()).ok();
    demo.cli("vic", &["release", "watch", &train, "--timeout", "30s"])
        .ok();

    assert_eq!(demo.release(&train)["status"], "Success");
    let cut = demo.activity(&train, "branch-cut/cut");
    assert_eq!(cut["attempts"].as_array().map(Vec::len), Some(2), "{cut}");
    assert_eq!(
        cut["attempts"][1]["inputs"]["baseBranch"]["value"], "main",
        "{cut}"
    );
    assert_eq!(
        demo.activity(&train, "announcement/post")["status"],
        "Ignored"
    );
    for environment in ["qa", "prod0", "prod1", "prod2", "prod3"] {
        let running = demo.service(&format!("/{environment}/user-service"));
        assert_eq!(running["version"], "2.4.0", "{environment}");
    }
    the_journal_notices_any_changed_byte(&demo);
}

/// Changes bytes all over an exported journal, one at a time.
fn the_journal_notices_any_changed_byte(demo: &Demo) {
    assert!(
        demo.cli("rita", &["audit", "verify"])
            .ok()
            .starts_with("intact")
    );
    let journal = demo.cli("rita", &["audit", "export"]).ok().into_bytes();
    let file = demo.file("journal.jsonl", &journal);
    let verify = ["audit", "verify", &file];
    assert!(demo.cli("rita", &verify).ok().starts_with("intact"));
    // Some bytes of every part, at distances that share nothing with the lines.
    for at in (0..journal.len()).step_by(journal.len() / 40 + 1) {
        let mut changed = journal.clone();
        changed[at] ^= 1;
        demo.file("journal.jsonl", &changed);
        let verified = demo.cli("rita", &verify);
        assert_eq!(verified.code, Some(1), "byte {at}: {}", verified.shown());
        let line = 1 + journal[..at].iter().filter(|byte| **byte == b'\n').count();
        let named = format!("at position {line}:");
        assert!(
            verified.shown().contains(&named),
            "byte {at} of {named}: {}",
            verified.shown()
        );
    }
}

#[test]
fn a_hotfix_past_an_ignored_sanity_test_is_a_partial_success() {
    let demo = house();
    let services = demo.services();
    let nowhere = format!("serviceUrl={services}/nowhere");
    let here = format!("serviceUrl={services}");
    let hotfix = create(
        &demo,
        "hotfix",
        &[
            "releaseVersion=2.3.1",
            "service=payment-service",
            "clusters:=[\"prod0\"]",
            &nowhere,
        ],
    );
    demo.cli("rita", &["release", "start", &hotfix]).ok();

    // The sanity test is critical: to go on without it takes more than an operator.
    demo.needs_somebody(&hotfix, "sanity/test");
    let ignore = [
        "activity",
        "ignore",
        &hotfix,
        "sanity/test",
        "--reason",
        "tested by hand",
    ];
    assert_eq!(demo.cli("ben", &ignore).code, Some(3));
    demo.cli("rita", &ignore).ok();

    demo.needs_somebody(&hotfix, "production/smoke[0]");
    let retry = [
        "activity",
        "retry",
        &hotfix,
        "production/smoke[0]",
        "--set",
        &here,
    ];
    demo.cli(
        "ben",
        &[&retry[..], &["--reason", "the right address"]].concat(),
    )
    .ok();
    demo.cli("vic", &["release", "watch", &hotfix, "--timeout", "30s"])
        .ok();
    assert_eq!(demo.release(&hotfix)["status"], "PartialSuccess");
    assert_eq!(demo.service("/prod0/payment-service")["version"], "2.3.1");
}
