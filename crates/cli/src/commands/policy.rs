//! Who may do what: `policy can-i`, `policy list`.

use serde_json::Value;
use trainmaster_api::{CanI, RoleList, RoleView};

use super::{Column, Session, column, word};
use crate::args::{CanIArgs, PolicyCommand};
use crate::failure::{Done, Exit, Failure};
use crate::output;

/// Runs a verb of `policy`.
pub(crate) async fn run(session: &Session, command: PolicyCommand) -> Done {
    match command {
        PolicyCommand::CanI(args) => can_i(session, &args).await,
        PolicyCommand::List => list(session).await,
    }
}

async fn can_i(session: &Session, args: &CanIArgs) -> Done {
    let parameters = [
        ("permission", Some(&args.permission)),
        ("organization", args.org.as_ref()),
        ("release", args.release.as_ref()),
        ("user", args.user.as_ref()),
    ];
    let query: Vec<(&str, String)> = parameters
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.clone())))
        .collect();
    let answer: Value = session
        .client
        .get(&["api", "v1", "access", "can-i"], &query)
        .await?;
    let view: CanI = serde_json::from_value(answer.clone())?;
    session.print(&answer, verdict, |view: &CanI| {
        output::data(format_args!(
            "{}: {}",
            verdict(view),
            output::plain(&view.reason)
        ));
        Ok(())
    })?;
    if view.allowed {
        Ok(())
    } else {
        Err(Failure::silent(Exit::Refused))
    }
}

fn verdict(view: &CanI) -> String {
    if view.allowed { "yes" } else { "no" }.to_owned()
}

const COLUMNS: &[Column<RoleView>] = &[
    column("ROLE", |view, _| word(&view.role)),
    column("GRANTS", |view, _| view.permissions.join(", ")),
];

async fn list(session: &Session) -> Done {
    let answer: Value = session
        .client
        .get(&["api", "v1", "access", "roles"], &[])
        .await?;
    let items = match output::is_structured(session.format) {
        true => return output::structured(session.format, &answer),
        false => serde_json::from_value::<RoleList>(answer)?.items,
    };
    let items = items.into_iter().map(serde_json::to_value);
    let items: Vec<Value> = items.collect::<Result<_, _>>()?;
    session.print_list(items, |view: &RoleView| word(&view.role), COLUMNS)
}
