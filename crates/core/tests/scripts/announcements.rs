//! What events are called outside, and which rules mean them.

use crate::story::*;
use serde_json::json;
use trainmaster_core::Event;
use trainmaster_core::command::NewRelease;
use trainmaster_core::definition::{self, Body};
use trainmaster_core::ids::{Name, ReleaseId};
use trainmaster_core::notification_rule::{Announcement, NotificationRuleSpec, announce};
use trainmaster_core::release::ReleaseType;

const PROCESS: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  phases:
    - id: build
      activities: [{id: compile, uses: command, with: {run: [make]}}]
    - id: deploy
      dependsOn: [build]
      owners: [team:ops]
      activities:
        - {id: sign, uses: approval, with: {approvers: [team:qa]}}
"#;

fn rule(spec: &str) -> NotificationRuleSpec {
    let text = format!(
        "apiVersion: trainmaster.dev/v1\nkind: NotificationRule\nmetadata: {{name: loud}}\nspec: {spec}\n"
    );
    let parsed = definition::parse(&text, None).expect("a rule that holds together");
    match &parsed[0].definition.body {
        Body::NotificationRule(spec) => spec.clone(),
        other => panic!("a rule, not {other:?}"),
    }
}

fn announced(story: &Story, train: ReleaseId) -> Vec<Announcement> {
    let release = story.release(train);
    let about = |event: &Event| announce(event, release);
    story.journal.iter().filter_map(about).collect()
}

fn hotfix() -> (Story, ReleaseId) {
    let mut story = Story::with(PROCESS);
    story.apply(&PROCESS.replace("name: train", "name: other"));
    let new = NewRelease {
        start: true,
        manager: Some("user:max".parse().expect("an owner")),
        release_type: ReleaseType::Hotfix,
        labels: [("team".to_owned(), "shop".to_owned())].into(),
        ..new("train", json!({}))
    };
    let train = story.create("ada", new).expect("a release");
    story.finish(train, "build/compile", broken("no disk"));
    story.give_up(train, "build/compile").expect("given up");
    (story, train)
}

#[test]
fn a_failed_release_is_told_word_by_word() {
    let (story, train) = hotfix();
    let told = announced(&story, train);
    let words: Vec<String> = told.iter().map(|told| told.words.join("+")).collect();
    assert_eq!(
        words,
        [
            "release.scheduled",
            "release.started",
            "phase.started",
            "activity.failed",
            "decision.needed",
            "activity.failed",
            "phase.ended",
            "release.ended+release.failed",
        ]
    );
    let failed = &told[3];
    assert_eq!(failed.text, "train 1: build/compile has failed");
    assert_eq!(
        failed.link(),
        format!("/releases/{train}/activities/build/compile")
    );
    assert!(failed.urgent);
    let decision = &told[4];
    assert_eq!(decision.involved, ["user:max".parse().expect("an owner")]);
    assert_eq!(
        decision.text,
        "train 1: build/compile failed and needs your decision"
    );
}

#[test]
fn a_rule_means_the_releases_that_it_describes() {
    let (story, train) = hotfix();
    let told = announced(&story, train);
    let release = story.release(train);
    let payments: Name = "payments".parse().expect("a name");
    let words = |organization: Option<&Name>, spec: &str| -> Vec<&'static str> {
        let rule = rule(&format!(
            "{{{spec}, channels: [{{inApp: {{to: [user:a]}}}}]}}"
        ));
        told.iter()
            .filter_map(|told| rule.word_for(organization, told, release))
            .collect()
    };
    assert_eq!(words(None, "events: [release.ended]"), ["release.ended"]);
    assert_eq!(
        words(None, "events: [release.ended, release.failed]"),
        ["release.failed"],
        "one event is told once, by its most telling word"
    );
    assert_eq!(words(None, "events: [release.*]").len(), 3);
    for meant in [
        "labels: {team: shop}",
        "types: [hotfix, feature]",
        "processes: [other, train]",
    ] {
        let spec = format!("events: [release.failed], releases: {{{meant}}}");
        assert_eq!(words(None, &spec).len(), 1, "{meant}");
    }
    for other in [
        "labels: {team: bank}",
        "labels: {team: shop, tier: one}",
        "types: [feature]",
        "processes: [other]",
        "organizations: [payments]",
    ] {
        let spec = format!("events: [release.failed], releases: {{{other}}}");
        assert_eq!(words(None, &spec).len(), 0, "{other}");
    }
    assert_eq!(
        words(Some(&payments), "events: [release.failed]").len(),
        0,
        "a rule of an organization means its own releases"
    );
    assert_eq!(
        words(None, "events: [release.failed], paused: true").len(),
        0
    );
}
