//! Remembered servers: `context list`, `use`, `show`, `delete`.

use serde_json::json;

use crate::args::{ContextCommand, Format, Globals};
use crate::context::{Contexts, path};
use crate::failure::{Done, Failure};
use crate::output::{self, Columns};

/// Runs a verb of `context`.
pub(crate) fn run(globals: &Globals, command: ContextCommand) -> Done {
    let path = path()?;
    let mut contexts = Contexts::read(&path)?;
    match command {
        ContextCommand::List => list(globals.output, &contexts),
        ContextCommand::Show => show(globals, &contexts),
        ContextCommand::Use { name } => {
            contexts.named(&name)?;
            output::data(format_args!("context {name} is the current one"));
            contexts.current = Some(name);
            contexts.write(&path)
        }
        ContextCommand::Delete { name } => {
            contexts.named(&name)?;
            contexts.contexts.remove(&name);
            contexts.current = contexts.current.filter(|current| *current != name);
            output::data(format_args!("context {name} deleted"));
            contexts.write(&path)
        }
    }
}

fn list(format: Format, contexts: &Contexts) -> Done {
    let is_current = |name: &String| contexts.current.as_ref() == Some(name);
    if output::is_structured(format) {
        let items: Vec<_> = contexts
            .contexts
            .iter()
            .map(|(name, context)| {
                json!({"name": name, "server": context.server, "user": context.user, "current": is_current(name)})
            })
            .collect();
        return output::structured(format, &json!({ "items": items }));
    }
    if format == Format::Name {
        contexts.contexts.keys().for_each(output::data);
        return Ok(());
    }
    let mut table = Columns::new(&["CURRENT", "NAME", "SERVER", "USER"]);
    for (name, context) in &contexts.contexts {
        let mark = if is_current(name) { "*" } else { "" };
        table.row([
            mark.to_owned(),
            name.clone(),
            context.server.clone(),
            context.user.clone(),
        ]);
    }
    table.print();
    Ok(())
}

fn show(globals: &Globals, contexts: &Contexts) -> Done {
    let name = globals
        .context
        .clone()
        .or_else(|| contexts.current.clone())
        .ok_or_else(|| {
            Failure::error("there is no current context").hint(
                "`trainmaster login URL` makes one, `trainmaster context use NAME` chooses one",
            )
        })?;
    let context = contexts.named(&name)?;
    if output::is_structured(globals.output) {
        let shown = json!({"name": name, "server": context.server, "user": context.user});
        return output::structured(globals.output, &shown);
    }
    if globals.output == Format::Name {
        output::data(name);
        return Ok(());
    }
    output::fields(&[
        ("Name", name.clone()),
        ("Server", context.server.clone()),
        ("User", context.user.clone()),
    ]);
    Ok(())
}
