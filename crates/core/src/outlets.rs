//! Judges commands about secrets and about what goes out: who may, and what the journal says of it.
//!
//! The values of secrets and the deliveries themselves are rows of the store and never part of the world.

use crate::access::Permission;
use crate::event::{Change, Event};
use crate::ids::{Name, ResourceKey, SecretName};
use crate::rejection::{FieldProblem, Rejection};
use crate::world::Asker;

/// Longest reason that is kept of a channel that was turned off, in characters.
const REASON_LENGTH_MAX: usize = 500;

pub(crate) fn decide_set_secret(
    asker: &Asker<'_>,
    organization: Option<&Name>,
    name: &SecretName,
    version: u32,
    row: &str,
) -> Result<Vec<Event>, Rejection> {
    asker.needs(Permission::SecretEdit, organization)?;
    if version == 0 || row.is_empty() {
        return Err(Rejection::InvalidInput(vec![FieldProblem {
            field: "value".to_owned(),
            message: "was not sealed; write it again".to_owned(),
        }]));
    }
    Ok(vec![asker.fact(Change::SecretSet {
        organization: organization.cloned(),
        name: name.clone(),
        version,
        row: row.to_owned(),
    })])
}

pub(crate) fn decide_delete_secret(
    asker: &Asker<'_>,
    organization: Option<&Name>,
    name: &SecretName,
) -> Result<Vec<Event>, Rejection> {
    asker.needs(Permission::SecretEdit, organization)?;
    Ok(vec![asker.fact(Change::SecretDeleted {
        organization: organization.cloned(),
        name: name.clone(),
    })])
}

pub(crate) fn decide_disable_outlet(
    asker: &Asker<'_>,
    rule: &ResourceKey,
    channel: u32,
    reason: &str,
) -> Result<Vec<Event>, Rejection> {
    asker.is_the_server()?;
    Ok(vec![asker.fact(Change::OutletDisabled {
        rule: rule.clone(),
        channel,
        reason: reason.chars().take(REASON_LENGTH_MAX).collect(),
    })])
}
