//! The world in memory, and the interface through which everything happens to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

use crate::command::Envelope;
use crate::effect::Effect;
use crate::entity::{Entity, EntityKey, EntityRef};
use crate::event::Event;
use crate::ids::{AttemptId, ReleaseId};
use crate::rejection::Rejection;
use crate::waiting::Waiting;

/// Everything that is known, and nothing that can be computed from it (but for indexes).
#[derive(Debug)]
pub struct World {
    _zones: TimeZoneDatabase,
}
