//! What went out: `delivery list`, `redeliver`, `test`.

use reqwest::Method;
use serde_json::{Value, json};
use trainmaster_api::{DeliveryView, RuleTest};

use super::{Column, Session, age, column, distance, wide_column, word};
use crate::args::{DeliveryCommand, DeliveryListArgs};
use crate::client;
use crate::failure::{Done, Failure};
use crate::output;

/// Runs a verb of `delivery`.
pub(crate) async fn run(session: &Session, command: DeliveryCommand) -> Done {
    match command {
        DeliveryCommand::List(args) => list(session, &args).await,
        DeliveryCommand::Redeliver { id } => redeliver(session, &id).await,
        DeliveryCommand::Test { rule, org } => test(session, &rule, org).await,
    }
}

const COLUMNS: &[Column<DeliveryView>] = &[
    column("ID", |delivery, _| delivery.id.clone()),
    column("RULE", |delivery, _| delivery.rule.clone()),
    column("KIND", |delivery, _| delivery.kind.clone()),
    column("EVENT", |delivery, _| delivery.event.clone()),
    column("RELEASE", |delivery, _| {
        delivery.release.clone().unwrap_or_default()
    }),
    column("STATUS", |delivery, _| word(&delivery.status)),
    column("TRIES", |delivery, _| delivery.attempts.to_string()),
    column("NEXT", |delivery, now| {
        distance(delivery.next_at.as_deref(), now)
    }),
    column("AGE", |delivery, now| age(&delivery.created_at, now)),
    column("ANSWER", |delivery, _| output::plain(&delivery.answer)),
    wide_column("TO", |delivery, _| delivery.to.clone().unwrap_or_default()),
    wide_column("ORGANIZATION", |delivery, _| {
        delivery.organization.clone().unwrap_or_default()
    }),
    wide_column("TEXT", |delivery, _| output::plain(&delivery.text)),
];

async fn list(session: &Session, args: &DeliveryListArgs) -> Done {
    let query: Vec<(&str, String)> = [
        ("rule", &args.rule),
        ("organization", &args.org),
        ("status", &args.status),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.clone()?)))
    .collect();
    let path = ["api", "v1", "deliveries"];
    let items = client::list(&session.client, &path, &query, args.page.limit).await?;
    session.print_list(
        items,
        |delivery: &DeliveryView| delivery.id.clone(),
        COLUMNS,
    )
}

async fn redeliver(session: &Session, id: &str) -> Done {
    let path = ["api", "v1", "deliveries", id, "redeliver"];
    let answer: Value = session.client.post(&path, &json!({})).await?;
    session.print(
        &answer,
        |delivery: &DeliveryView| delivery.id.clone(),
        |delivery| {
            output::data(format_args!(
                "{} is {}",
                delivery.id,
                word(&delivery.status)
            ));
            Ok(())
        },
    )
}

async fn test(session: &Session, rule: &str, org: Option<String>) -> Done {
    let query: Vec<(&str, String)> = org.map(|org| ("organization", org)).into_iter().collect();
    let path = ["api", "v1", "notification-rules", rule, "test"];
    let request = session
        .client
        .request(Method::POST, &path, &query)
        .json(&json!({}))?;
    let answer: Value = session.client.send(request).await?.read()?;
    let test: RuleTest = serde_json::from_value(answer.clone())?;
    let items = test
        .items
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<Vec<Value>, _>>()?;
    if test.items.is_empty() {
        output::note("the rule tells people in the app only; that needs no test");
    }
    session.print_list(
        items,
        |delivery: &DeliveryView| delivery.id.clone(),
        COLUMNS,
    )?;
    match test.delivered {
        true => Ok(()),
        false => Err(Failure::error("not everything got through")),
    }
}
