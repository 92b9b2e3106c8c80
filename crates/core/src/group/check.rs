//! Checks a group against what is there when it is applied: its zone, its process, and one release made on trial.

use std::collections::BTreeMap;

use super::Group;
use super::state::Planned;
use crate::access::Permission;
use crate::definition::Problem;
use crate::event::Change;
use crate::ids::{ReleaseId, ResourceKey};
use crate::rejection::Rejection;
use crate::release::{Release, StartMode};
use crate::world::{Asker, World};

impl World {
    /// Refuses a group whose releases could not be scheduled, and one by somebody who might not make and start them.
    pub(crate) fn check_group(
        &self,
        asker: &Asker<'_>,
        key: &ResourceKey,
        group: &Group,
    ) -> Result<(), Rejection> {
        let place = key.organization.as_ref();
        asker.needs(Permission::ReleaseEdit, place)?;
        if group.spec.start_mode == StartMode::Auto {
            asker.needs(Permission::ReleaseStart, place)?;
        }
        let Some(recurrence) = group.recurrence(&self.zones) else {
            let zone: String = group.spec.zone.chars().take(60).collect();
            let message = format!("`{zone}` is not an IANA time zone such as `Europe/Berlin`");
            return Err(invalid([("zone".to_owned(), message)]));
        };
        let process = self.process_for(&group.spec.process, place)?;
        // All of its releases are made like the first one.
        let planned = recurrence.numbered(None).next().map(Planned::from);
        let Some(planned) = planned else {
            return Err(invalid([(
                "cadence".to_owned(),
                "plans nothing".to_owned(),
            )]));
        };
        let new = group.new_release(key, &planned);
        let new = new.map_err(|(field, error)| invalid([(field, error.message)]))?;
        let id = ReleaseId(self.meta.last_release + 1);
        let created = self
            .creation(asker, &new, process, id)
            .map_err(as_problems)?;
        let creation = asker.about(id, Change::ReleaseCreated(Box::new(created.clone())));
        let release = Release::from_creation(id, &created, &creation);
        self.pin(&release, &BTreeMap::new()).map_err(as_problems)?;
        Ok(())
    }
}

/// What is wrong with a release on trial is wrong with the field of the group that it comes from.
fn as_problems(rejection: Rejection) -> Rejection {
    match rejection {
        Rejection::InvalidInput(problems) => invalid(
            problems
                .into_iter()
                .map(|problem| (problem.field, problem.message)),
        ),
        other => other,
    }
}

fn invalid(problems: impl IntoIterator<Item = (String, String)>) -> Rejection {
    let problems = problems.into_iter().map(|(field, message)| {
        let field = match field.as_str() {
            "name" => "nameTemplate".to_owned(),
            "expectedEndAt" => "duration".to_owned(),
            _ => field,
        };
        Problem {
            path: format!("spec.{field}"),
            message,
            suggestion: None,
            place: None,
        }
    });
    Rejection::InvalidDefinition(problems.collect())
}
