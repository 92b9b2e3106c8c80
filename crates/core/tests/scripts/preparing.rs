//! What people settle round a release: links, readiness, acknowledgement, reviews, warnings, levels.

use crate::story::*;
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::command::{NewRelease, ReleaseChanges, ReleaseCommand};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::release::{
    Judgement, Link, LinkKind, ReleaseDescription, ReleaseType, Review, StartMode,
};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::{Command, Rejection};

const READY: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  inputs: [{name: version, type: string, required: true}]
  readiness:
    - {id: database, name: The database is migrated, owners: [team:dba]}
    - {id: news, name: Customers know, required: false}
  phases:
    - id: build
      owners: [team:development]
      activities: [{id: compile, uses: command, with: {run: [build, "${version}"]}}]
    - id: deploy
      owners: [user:olga]
      dependsOn: [build]
      activities: [{id: rollout, uses: command, with: {run: [deploy]}}]
"#;

fn story() -> Story {
    let mut story = Story::with(READY);
    story.person("dora", &["dba"], Role::Viewer);
    story.person("olga", &[], Role::Viewer);
    story.person("dave", &["development"], Role::Viewer);
    story
}

fn named(name: &str) -> NewRelease {
    NewRelease {
        name: Some(name.to_owned()),
        manager: "user:ada".parse().ok(),
        ..new("train", json!({"version": "1.2.0"}))
    }
}

fn at(instant: &str) -> Option<jiff::Timestamp> {
    Some(instant.parse().expect("an instant"))
}

fn ready(item: &str, ready: bool) -> ReleaseCommand {
    ReleaseCommand::SetReadiness {
        item: item.parse().expect("a name"),
        ready,
        note: String::new(),
    }
}

fn activate() -> ReleaseCommand {
    ReleaseCommand::Activate {
        inputs: values(json!({})),
    }
}

fn warned(story: &Story, release: ReleaseId) -> Vec<&'static str> {
    let around = story.world.surroundings(release);
    let warnings = story.world.warnings(release, &around, story.now);
    warnings.into_iter().map(|warning| warning.code).collect()
}

fn review(story: &Story, release: ReleaseId) -> Review {
    let around = story.world.surroundings(release);
    let review = story.world.review(release, &around, story.now);
    review.expect("a known release")
}

fn check(review: &Review, part: &str) -> (Judgement, String) {
    let check = review.checks.iter().find(|check| check.part == part);
    let check = check.unwrap_or_else(|| panic!("`{part}` is looked at"));
    (check.judgement, check.message.clone())
}

fn edit(story: &mut Story, release: ReleaseId, changes: ReleaseChanges) -> Result<(), Rejection> {
    let command = Command::EditRelease {
        release,
        changes: Box::new(changes),
        if_version: None,
    };
    let actor = story.actor("ada");
    story.command(actor, command).map(drop)
}

#[test]
fn what_is_required_to_be_ready_keeps_a_release_from_starting() {
    let mut story = story();
    let refused = story.try_start("train", json!({"version": "1.2.0"}));
    assert_eq!(
        refused.expect_err("the database is not ready").code(),
        "not-ready"
    );
    let draft = story.create("ada", named("shop 1.2.0")).expect("a draft");
    let refused = story.does("ada", draft, activate()).expect_err("not ready");
    assert_eq!(
        refused.to_string(),
        "it cannot start: `database` not ready; `team:dba` can say so"
    );
    let denied = story.does("olga", draft, ready("database", true));
    assert_eq!(denied.expect_err("not hers").code(), "forbidden");
    story
        .does("dora", draft, ready("database", true))
        .expect("the team says so");
    story
        .does("ada", draft, activate())
        .expect("what is not required does not keep it");
    assert_eq!(story.status(draft), ReleaseStatus::Running);
    let late = story.does("dora", draft, ready("database", false));
    assert_eq!(late.expect_err("it runs").code(), "wrong-release-status");
}

#[test]
fn a_scheduled_release_that_is_not_ready_waits_and_says_for_whom() {
    let mut story = story();
    let train = story
        .create(
            "ada",
            NewRelease {
                start_at: at("2026-01-05T14:00:00Z"),
                finalize: true,
                ..named("shop 1.2.0")
            },
        )
        .expect("a scheduled release");
    let refused = story.does(
        "ada",
        train,
        ReleaseCommand::PreExecute {
            inputs: values(json!({})),
            purpose: "early".to_owned(),
        },
    );
    assert_eq!(refused.expect_err("not ready").code(), "not-ready");
    let reasons = |story: &Story| -> Vec<Value> {
        let waits = story.waits(train);
        waits.iter().map(|waits| waits["reason"].clone()).collect()
    };
    assert_eq!(reasons(&story), [json!("startTime"), json!("readiness")]);
    story.until_day("2026-01-05T15:00:00Z");
    assert_eq!(story.status(train), ReleaseStatus::Scheduled);
    assert_eq!(reasons(&story), [json!("readiness")]);
    let waits = &story.waits(train)[0];
    assert_eq!(waits["items"], json!(["database"]));
    assert_eq!(waits["who"], json!(["team:dba"]));
    assert_eq!(waits["since"], json!("2026-01-05T14:00:00Z"));
    let notices = story.notified(train);
    assert_eq!(notices.len(), 1, "they are told once: {notices:?}");
    assert_eq!(notices[0].0, ["team:dba"]);
    story.restart_server();
    story.until_day("2026-01-05T16:00:00Z");
    assert_eq!(story.notified(train).len(), 1);
    story
        .does("dora", train, ready("database", true))
        .expect("now it is");
    assert_eq!(
        story.status(train),
        ReleaseStatus::Running,
        "it starts by itself"
    );
}

#[test]
fn one_release_may_ask_for_more_to_be_ready() {
    let mut story = story();
    let draft = story.create("ada", named("shop 1.2.0")).expect("a draft");
    let item = |id: &str| ReleaseCommand::DeclareReadiness {
        item: serde_json::from_value(json!({"id": id, "name": "The partner is up"}))
            .expect("an item"),
    };
    story.does("ada", draft, item("partner")).expect("one more");
    let taken = story.does("ada", draft, item("database"));
    assert_eq!(
        taken.expect_err("the process asks already").code(),
        "invalid-input"
    );
    story
        .does("dora", draft, ready("database", true))
        .expect("ready");
    let refused = story
        .does("ada", draft, activate())
        .expect_err("the partner");
    assert!(refused.to_string().contains("`partner`"));
    story
        .does("ada", draft, ready("partner", true))
        .expect("the manager says so");
    assert!(
        !review(&story, draft)
            .readiness
            .iter()
            .any(|item| item.blocks())
    );
    let withdraw = ReleaseCommand::WithdrawReadiness {
        item: "partner".parse().expect("a name"),
    };
    story.does("ada", draft, withdraw).expect("taken back");
    assert_eq!(story.world.readiness(draft).len(), 2);
    story.does("ada", draft, activate()).expect("it starts");
}

#[test]
fn the_review_shows_structure_inputs_owners_timing_and_readiness_before_the_start() {
    let mut story = story();
    let draft = story
        .create(
            "ada",
            NewRelease {
                inputs: values(json!({})),
                start_at: at("2026-01-06T14:00:00Z"),
                ..named("shop 1.2.0")
            },
        )
        .expect("a draft");
    let first = review(&story, draft);
    assert_eq!(first.judgement(), Judgement::Blocking);
    assert_eq!(
        check(&first, "process"),
        (
            Judgement::Fine,
            "`train`: 2 phases, 2 activities, 0 gates".to_owned()
        )
    );
    let (judgement, message) = check(&first, "inputs");
    assert_eq!(judgement, Judgement::Blocking);
    assert_eq!(message, "`inputs.version`: a value is needed: a text");
    let (judgement, message) = check(&first, "owners");
    assert_eq!(judgement, Judgement::Attention);
    assert_eq!(
        message,
        "not acknowledged by user:ada, team:development, user:olga"
    );
    assert_eq!(check(&first, "timing").0, Judgement::Fine);
    assert_eq!(check(&first, "readiness").0, Judgement::Blocking);

    let changes = ReleaseChanges {
        inputs: Some(values(json!({"version": "1.2.0"}))),
        ..Default::default()
    };
    edit(&mut story, draft, changes).expect("the version");
    let knows = || ReleaseCommand::Acknowledge {
        note: "I am there".to_owned(),
    };
    for user in ["ada", "dave", "olga"] {
        story.does(user, draft, knows()).expect("an owner knows");
    }
    let nobody = story.does("dora", draft, knows());
    assert_eq!(nobody.expect_err("she owns nothing").code(), "not-yours");
    story
        .does("dora", draft, ready("database", true))
        .expect("ready");
    story
        .does("ada", draft, ready("news", true))
        .expect("ready");
    let second = review(&story, draft);
    let bad: Vec<_> = second
        .checks
        .iter()
        .filter(|check| check.judgement != Judgement::Fine)
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
    let owner = &second.owners[1];
    assert_eq!(owner.owner.to_string(), "team:development");
    assert_eq!(owner.parts, ["build"]);
    assert_eq!(owner.acknowledged[0].0.as_str(), "dave");
    assert_eq!(owner.acknowledged[0].1.note, "I am there");
}

#[test]
fn a_draft_may_be_reviewed_before_anybody_commits_to_it() {
    let mut story = story();
    let draft = story.create("ada", named("shop 1.2.0")).expect("a draft");
    let opinion = |approved: bool, comment: &str| ReleaseCommand::Review {
        approved,
        comment: comment.to_owned(),
    };
    let silent = story.does("olga", draft, opinion(false, " "));
    assert_eq!(
        silent.expect_err("an objection says why").code(),
        "reason-needed"
    );
    story
        .does("olga", draft, opinion(false, "no rollback plan"))
        .expect("an objection");
    assert_eq!(
        check(&review(&story, draft), "opinions"),
        (Judgement::Attention, "objections by olga".to_owned())
    );
    let description = ReleaseDescription {
        rollback_plan: "roll the image back".to_owned(),
        ..Default::default()
    };
    let changes = ReleaseChanges {
        description: Some(description),
        ..Default::default()
    };
    edit(&mut story, draft, changes).expect("a plan");
    story
        .does("olga", draft, opinion(true, ""))
        .expect("an approval");
    assert_eq!(
        check(&review(&story, draft), "opinions"),
        (Judgement::Fine, "approved by olga".to_owned())
    );
    let changes = ReleaseChanges {
        name: Some("shop 1.2.1".to_owned()),
        ..Default::default()
    };
    edit(&mut story, draft, changes).expect("another name");
    assert_eq!(
        check(&review(&story, draft), "opinions").1,
        "edited since it was approved by olga"
    );
    story.person("vera", &[], Role::Viewer);
    let stranger = story.does("vera", draft, opinion(true, ""));
    assert_eq!(stranger.expect_err("not concerned").code(), "forbidden");
    assert_eq!(
        story.status(draft),
        ReleaseStatus::Draft,
        "nothing is committed"
    );
}

#[test]
fn links_lead_to_tickets_code_documents_and_monitors_and_say_what_they_are() {
    let mut story = story();
    let link = |url: &str| Link {
        kind: LinkKind::Other,
        title: String::new(),
        url: url.to_owned(),
    };
    let draft = story
        .create(
            "ada",
            NewRelease {
                links: vec![
                    link("https://acme.atlassian.net/browse/PAY-123"),
                    link("https://acme.service-now.com/change_request.do?number=CHG0030001"),
                    link("https://app.asana.com/0/120001/120002"),
                    link("https://github.com/acme/shop/commit/0123456789abcdef"),
                    link("https://github.com/acme/shop/pull/17"),
                    link("https://gitlab.com/acme/shop/-/tree/release/1.2"),
                    link("https://acme.atlassian.net/wiki/spaces/OPS/Runbook"),
                    link("https://grafana.example.com/d/abc/latency"),
                    link("https://grafana.example.com/alerting/7/view"),
                    Link {
                        kind: LinkKind::Artifact,
                        title: "Image".to_owned(),
                        url: "https://registry.example.com/shop/1.2.0".to_owned(),
                    },
                ],
                ..named("shop 1.2.0")
            },
        )
        .expect("a draft");
    let shown: Vec<String> = story
        .release(draft)
        .links
        .iter()
        .map(|link| format!("{:?} {}", link.kind, link.title))
        .collect();
    assert_eq!(
        shown,
        [
            "Ticket PAY-123",
            "Ticket CHG0030001",
            "Ticket Asana 120002",
            "Commit acme/shop@0123456789ab",
            "PullRequest acme/shop#17",
            "Branch acme/shop release/1.2",
            "Document Runbook",
            "Dashboard latency",
            "Alert view",
            "Artifact Image",
        ]
    );
    let wrong = ReleaseCommand::AddLink {
        link: link("ftp://example.com"),
    };
    assert_eq!(
        story
            .does("ada", draft, wrong)
            .expect_err("no web address")
            .code(),
        "invalid-input"
    );
}

#[test]
fn an_incident_is_linked_after_the_end_and_a_link_can_be_taken_away() {
    let mut story = story();
    let train = story.create("ada", named("shop 1.2.0")).expect("a draft");
    story
        .does("dora", train, ready("database", true))
        .expect("ready");
    story.does("ada", train, activate()).expect("it starts");
    story.finish(train, "build/compile", done());
    story.finish(train, "deploy/rollout", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
    let url = "https://acme.pagerduty.com/incidents/Q1";
    let incident = || ReleaseCommand::AddLink {
        link: Link {
            kind: LinkKind::Incident,
            title: "Checkout was slow".to_owned(),
            url: url.to_owned(),
        },
    };
    let denied = story.does("olga", train, incident());
    assert_eq!(denied.expect_err("a viewer").code(), "forbidden");
    story.does("ada", train, incident()).expect("linked");
    story
        .does("ada", train, incident())
        .expect("once is enough");
    assert_eq!(story.release(train).links.len(), 1);
    story
        .does("ada", train, ReleaseCommand::Archive)
        .expect("archived");
    let remove = || ReleaseCommand::RemoveLink {
        url: url.to_owned(),
    };
    story.does("ada", train, remove()).expect("taken away");
    assert_eq!(
        story.does("ada", train, remove()).expect_err("gone").code(),
        "invalid-input"
    );
    let told = story.told(train, None);
    let links = told.iter().filter(|kind| kind.starts_with("Link"));
    assert_eq!(links.collect::<Vec<_>>(), ["LinkAdded", "LinkRemoved"]);
}

#[test]
fn a_generic_name_is_advised_against_and_a_telling_one_is_not() {
    let mut story = story();
    for (name, generic) in [
        ("Release", true),
        ("new release 7", true),
        ("test", true),
        ("Deployment 2026-01-05", true),
        ("payment-service-2.3.0-prod-quarterly", false),
        ("Week 15 Release", false),
        ("shop 1.2", false),
    ] {
        let draft = story
            .create("ada", named(name))
            .expect("advice, no refusal");
        assert_eq!(
            warned(&story, draft).contains(&"generic-name"),
            generic,
            "{name}"
        );
    }
    let draft = story.create("ada", named("release")).expect("a draft");
    let around = story.world.surroundings(draft);
    let warning = &story.world.warnings(draft, &around, story.now)[0];
    assert!(
        warning.message.contains("such as `train-2.3.0-prod`"),
        "{}",
        warning.message
    );
    let slug = story
        .create("ada", named("payment-service-2.3.0-prod"))
        .expect("a draft");
    assert_eq!(story.release(slug).slug, "payment-service-2.3.0-prod");
}

#[test]
fn plans_that_contradict_themselves_are_pointed_out() {
    let mut story = story();
    let before = story
        .create(
            "ada",
            NewRelease {
                start_at: at("2026-01-07T08:00:00Z"),
                expected_end_at: at("2026-01-08T08:00:00Z"),
                ..named("schema 7")
            },
        )
        .expect("a draft");
    let after = story
        .create(
            "ada",
            NewRelease {
                start_at: at("2026-01-07T12:00:00Z"),
                after: vec![before],
                release_type: ReleaseType::Hotfix,
                start_mode: StartMode::Manual,
                manager: None,
                ..named("shop 1.2.0")
            },
        )
        .expect("a draft");
    assert_eq!(
        warned(&story, after),
        ["planned-before-predecessor", "no-rollback-plan"],
        "both phases have owners, so nobody is missing"
    );
    story.apply(&READY.replace("      owners: [team:development]\n", ""));
    assert!(warned(&story, after).contains(&"no-owner"));
    let changes = ReleaseChanges {
        start_at: Some(at("2026-01-08T12:00:00Z")),
        manager: Some("user:ada".parse().ok()),
        description: Some(ReleaseDescription {
            rollback_plan: "the old image".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    edit(&mut story, after, changes).expect("better");
    assert!(warned(&story, after).is_empty());
    story.until_day("2026-01-09T00:00:00Z");
    assert_eq!(warned(&story, after), ["start-in-the-past"]);
}

const ACCOUNT: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Account
metadata: {name: account}
spec: {exclusiveReleaseLevel: true}
"#;

#[test]
fn levels_mixed_are_warned_about_or_refused() {
    let mut story = story();
    let account = story.create("ada", named("shop 1.2.0")).expect("a draft");
    assert!(warned(&story, account).is_empty());
    let own = || NewRelease {
        organization: "payments".parse().ok(),
        ..named("payments 3.1")
    };
    let mixed = story.create("ada", own()).expect("a warning by default");
    assert_eq!(warned(&story, mixed), ["mixed-levels"]);
    assert_eq!(warned(&story, account), ["mixed-levels"], "on both sides");
    assert_eq!(
        story
            .release(mixed)
            .organization
            .as_ref()
            .map(|name| name.as_str()),
        Some("payments"),
        "the scope is stored with the release"
    );
    story.try_apply("root", ACCOUNT).expect("the setting");
    let refused = story.create("ada", own()).expect_err("exclusive");
    assert_eq!(refused.code(), "exclusive-level");
    assert!(
        refused.to_string().contains(&account.to_string()),
        "{refused}"
    );
    let refused = story
        .create("ada", named("shop 1.3.0"))
        .expect_err("the reverse");
    assert_eq!(refused.code(), "exclusive-level");
    story
        .does("ada", account, ReleaseCommand::Delete)
        .expect("the account's release goes");
    story.restart_server();
    story.create("ada", own()).expect("one level is left");
}

#[test]
fn a_degraded_end_asks_for_a_follow_up_note() {
    let mut story = Story::with(&process(
        "one",
        "    - {id: main, activities: [{id: act, uses: command, with: {run: [x]}, importance: required}]}",
    ));
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    story.ignore(train, "main/act", json!({})).expect("waived");
    assert_eq!(story.status(train), ReleaseStatus::PartialSuccess);
    assert_eq!(warned(&story, train), ["follow-up-note"]);
    let offered = |story: &Story| {
        let actions = story
            .world
            .release_actions(story.holder("ada"), train, story.now);
        actions
            .iter()
            .any(|action| action.action == "notes" && action.allowed)
    };
    assert!(offered(&story));
    let text = "search is missing; follows with 1.3".to_owned();
    story
        .does("ada", train, ReleaseCommand::AddNote { text })
        .expect("a note");
    assert!(warned(&story, train).is_empty());
    assert!(!offered(&story));
}

#[test]
fn tags_and_context_are_kept_as_people_write_them() {
    let mut story = story();
    let draft = story
        .create(
            "ada",
            NewRelease {
                labels: [("team:platform", ""), ("urgent", ""), ("tier", "1")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                context: values(json!({"tickets": ["PAY-123"], "customers": {"acme": "eu"}})),
                ..named("shop 1.2.0")
            },
        )
        .expect("a draft");
    let labels: Vec<String> = story
        .release(draft)
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(labels, ["team=platform", "tier=1", "urgent="]);
    assert_eq!(
        story.release(draft).context["customers"],
        json!({"acme": "eu"})
    );
    let large = ReleaseChanges {
        context: Some(values(json!({"text": "x".repeat(70_000)}))),
        ..Default::default()
    };
    assert_eq!(
        edit(&mut story, draft, large)
            .expect_err("too large")
            .code(),
        "invalid-input"
    );
    let other = ReleaseChanges {
        context: Some(values(json!({"tickets": ["PAY-124"]}))),
        ..Default::default()
    };
    edit(&mut story, draft, other).expect("replaced as a whole");
    assert_eq!(story.release(draft).context.len(), 1);
}
