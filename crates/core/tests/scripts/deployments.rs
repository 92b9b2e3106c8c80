//! What the success of an activity puts where.

use crate::story::*;
use serde_json::{Value, json};
use trainmaster_core::deployment::Deployment;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::status::{ActivityStatus, ReleaseStatus};
use trainmaster_core::{Change, definition};

const SHOP: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: shop}
spec:
  inputs:
    - {name: target, type: environment, default: staging}
    - {name: services, type: list, default: [cart, checkout]}
  phases:
    - id: ship
      activities:
        - id: checkout
          uses: command
          with: {run: [deploy]}
          outputs: {image: "shop/checkout:${result.tag}"}
          deploys:
            service: checkout
            environment: ${inputs.target}
            version: ${result.tag}
            commit: ${result.commit}
            commits: ${result.commits}
            image: ${activity.outputs.image}
            tickets: [SHOP-1, "SHOP-${result.ticket}"]
        - id: all
          uses: command
          forEach: ${inputs.services}
          with: {run: [deploy, "${item}"]}
          deploys: {application: "${item}", environment: [staging, canary]}
"#;

fn recorded(story: &Story, release: ReleaseId) -> Vec<&Deployment> {
    let about = story
        .journal
        .iter()
        .filter(|event| event.release == Some(release));
    about
        .filter_map(|event| match &event.change {
            Change::DeploymentRecorded(deployment) => Some(&**deployment),
            _ => None,
        })
        .collect()
}

fn giving(result: Value) -> trainmaster_core::Outcome {
    trainmaster_core::Outcome::Succeeded { result }
}

#[test]
fn a_success_records_what_it_put_where() {
    let mut story = Story::with(SHOP);
    let train = story.start("shop", json!({"target": "production"}));
    assert!(recorded(&story, train).is_empty(), "nothing is there yet");
    let result = json!({"tag": "1.4", "commit": "4f2a", "commits": ["4f2a", "91bb"], "ticket": 7});
    story.finish(train, "ship/checkout", giving(result));
    let expected = Deployment {
        attempt: 1,
        organization: None,
        service: "checkout".to_owned(),
        environment: "production".to_owned(),
        version: Some("1.4".to_owned()),
        commits: vec!["4f2a".to_owned(), "91bb".to_owned()],
        image: Some("shop/checkout:1.4".to_owned()),
        artifact: None,
        tickets: vec!["SHOP-1".to_owned(), "SHOP-7".to_owned()],
    };
    assert_eq!(recorded(&story, train), [&expected]);
    let activity = story.activity(train, "ship/checkout");
    assert_eq!(activity.deployments[0].deployment, expected);
    assert_eq!(activity.deployments[0].at, story.now);
    assert_eq!(activity.deployment_problem, None);
}

#[test]
fn every_item_records_its_own_deployments() {
    let mut story = Story::with(SHOP);
    let train = story.start("shop", json!({}));
    story.finish(train, "ship/all[0]", done());
    story.finish(train, "ship/all[1]", done());
    let places: Vec<_> = recorded(&story, train)
        .iter()
        .map(|found| format!("{} {}", found.service, found.environment))
        .collect();
    assert_eq!(
        places,
        [
            "cart staging",
            "cart canary",
            "checkout staging",
            "checkout canary"
        ]
    );
    assert_eq!(story.stands(train, "ship/all"), ActivityStatus::Success);
}

#[test]
fn a_failure_deploys_nothing_and_a_retry_does() {
    let mut story = Story::with(SHOP);
    let train = story.start("shop", json!({}));
    story.finish(train, "ship/all[0]", broken("no"));
    assert!(recorded(&story, train).is_empty());
    story
        .retry(train, "ship/all[0]")
        .expect("it may be retried");
    story.finish(train, "ship/all[0]", done());
    let found = recorded(&story, train);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].attempt, 2);
}

#[test]
fn what_cannot_be_worked_out_does_not_lose_the_success() {
    let mut story = Story::with(SHOP);
    let train = story.start("shop", json!({}));
    let result = json!({"tag": "1.4", "commits": {"not": "a list"}, "ticket": 7});
    story.finish(train, "ship/checkout", giving(result));
    assert_eq!(
        story.stands(train, "ship/checkout"),
        ActivityStatus::Success
    );
    let found = recorded(&story, train);
    assert_eq!((found.len(), found[0].commits.len()), (1, 0));
    assert_eq!(found[0].version.as_deref(), Some("1.4"));
    let problem = story
        .activity(train, "ship/checkout")
        .deployment_problem
        .clone();
    let problem = problem.expect("a problem");
    assert!(problem.contains("`deploys.commit`"), "{problem}");
    assert!(problem.contains("`deploys.commits`"), "{problem}");
    story.finish(train, "ship/all[0]", done());
    story.finish(train, "ship/all[1]", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn what_happened_before_an_abort_is_recorded_all_the_same() {
    let mut story = Story::with(SHOP);
    let train = story.start("shop", json!({}));
    story.abort(train);
    story.finish(train, "ship/all[0]", done());
    assert_eq!(recorded(&story, train).len(), 2);
    assert_eq!(story.stands(train, "ship/all[0]"), ActivityStatus::Aborted);
}

#[test]
fn a_restart_keeps_the_record_of_what_was_deployed() {
    let mut story = Story::with(SHOP);
    let train = story.start("shop", json!({}));
    let result = json!({"tag": "1.4", "commit": "4f2a", "commits": [], "ticket": 7});
    story.finish(train, "ship/checkout", giving(result));
    story.abort(train);
    for item in ["ship/all[0]", "ship/all[1]"] {
        story.finish(
            train,
            item,
            trainmaster_core::Outcome::Cancelled { confirmed: true },
        );
    }
    story.restart(train, trainmaster_core::command::RestartFrom::Start);
    assert_eq!(story.activity(train, "ship/checkout").deployments.len(), 1);
}

#[test]
fn targets_are_known_before_the_work_begins() {
    let mut story = Story::with(SHOP);
    let train = story.start("shop", json!({"target": "production"}));
    let targets = story.world.targets(train, &path("ship/checkout"));
    assert!(targets.services.contains("checkout"));
    assert!(targets.environments.contains("production"));
    let targets = story.world.targets(train, &path("ship/all[1]"));
    assert!(targets.services.contains("checkout") && targets.environments.contains("canary"));
}

#[test]
fn a_deployment_that_cannot_be_is_refused_at_once() {
    let with = |deploys: &str| {
        let text = format!(
            "apiVersion: trainmaster.dev/v1\nkind: Process\nmetadata: {{name: p}}\nspec:\n  phases:\n    - id: a\n      \
             activities: [{{id: b, uses: command, with: {{run: [x]}}, deploys: {deploys}}}]\n"
        );
        definition::parse(&text, None)
            .map(drop)
            .map_err(|problems| format!("{}: {}", problems[0].path, problems[0].message))
    };
    assert_eq!(with("{service: s, environment: e, version: 1.5}"), Ok(()));
    for (deploys, expected) in [
        (
            "{environment: e}",
            "spec.phases[0].activities[0].deploys: say what is deployed: `service` or `application`",
        ),
        (
            "{service: s, application: s, environment: e}",
            "spec.phases[0].activities[0].deploys: `application` is another word for `service`: write one of them",
        ),
        (
            "{service: s, environment: e, version: [a, b]}",
            "spec.phases[0].activities[0].deploys.version: expected a text",
        ),
        (
            "{service: s, environment: '${inputs.nowhere}'}",
            "spec.phases[0].activities[0].deploys.environment: ",
        ),
        (
            "{service: s, environment: e, version: '${secrets.TOKEN}'}",
            "spec.phases[0].activities[0].deploys.version: `secrets` is only there in `with`",
        ),
        (
            "{service: '${1 == 1}', environment: e}",
            "spec.phases[0].activities[0].deploys.service: this is a text or a list of texts",
        ),
    ] {
        let refused = with(deploys).expect_err(deploys);
        assert!(refused.starts_with(expected), "{refused}");
    }
}
