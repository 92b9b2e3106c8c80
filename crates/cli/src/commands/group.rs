//! Release groups: `group preview`, `group releases`.

use trainmaster_api::{ClockChange, GroupPreview, PlannedRelease, ReleaseSummary};

use super::definition::within;
use super::{Session, release};
use crate::args::{Format, GroupCommand, GroupPreviewArgs, GroupReleasesArgs};
use crate::client;
use crate::failure::Done;
use crate::{output, when};

/// Runs a verb of `group`.
pub(crate) async fn run(session: &Session, command: GroupCommand) -> Done {
    match command {
        GroupCommand::Preview(args) => preview(session, &args).await,
        GroupCommand::Releases(args) => releases(session, &args).await,
    }
}

async fn preview(session: &Session, args: &GroupPreviewArgs) -> Done {
    let mut query = within(args.group.org.as_deref());
    query.push(("count", args.count.to_string()));
    if let Some(from) = &args.from {
        let from = when::parse_instant(from, None, session.now)?;
        query.push(("from", from.to_string()));
    }
    let path = ["api", "v1", "release-groups", &args.group.name, "preview"];
    let plan: GroupPreview = session.client.get(&path, &query).await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &plan);
    }
    if session.format == Format::Name {
        plan.items.iter().for_each(|item| output::data(&item.name));
        return Ok(());
    }
    let mut table = output::Columns::new(&["NUMBER", "NAME", "START", "UTC", "RELEASE", "NOTE"]);
    for item in &plan.items {
        table.row([
            item.number.to_string(),
            output::plain(&item.name),
            item.local_time.clone(),
            item.start_at.clone(),
            item.release.clone().unwrap_or_default(),
            note(item).to_owned(),
        ]);
    }
    table.print();
    if plan.paused {
        output::note(format!("release group `{}` is paused", plan.name));
    }
    Ok(())
}

fn note(item: &PlannedRelease) -> &'static str {
    match (item.withdrawn, item.clock) {
        (true, _) => "deleted, will not come back",
        (_, ClockChange::Gap) => "clocks go forward: later than usual",
        (_, ClockChange::Fold) => "clocks go back: the first of two",
        (_, ClockChange::None) => "",
    }
}

async fn releases(session: &Session, args: &GroupReleasesArgs) -> Done {
    let query = within(args.group.org.as_deref());
    let path = ["api", "v1", "release-groups", &args.group.name, "releases"];
    let items = client::list(&session.client, &path, &query, args.page.limit).await?;
    session.print_list(
        items,
        |release: &ReleaseSummary| release.id.clone(),
        release::COLUMNS,
    )
}
