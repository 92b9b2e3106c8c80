//! Named places at which a process can be made to die, to show that nothing is lost or done twice (reliability.md, fault 2).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every place, in the order in which a command passes them.
pub const POINTS: [&str; 27] = [
    "load.before",
    "load.after",
    "command.received",
    "answer.looked-up",
    "release.loaded",
    "command.decided",
    "wake.fired",
    "batch.built",
    "commit.before",
    "commit.after",
    "feed.before",
    "feed.after",
    "reply.before",
    "reply.after",
    "effect.before-start",
    "effect.started",
    "log.appended",
    "handle.received",
    "handle.reported",
    "effect.answered",
    "outcome.received",
    "outcome.submitted",
    "cancel.requested",
    "executor.cancelled",
    "quarantine",
    "forget",
    "shutdown",
];

/// What a place is made to do; by default nothing.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Faults(armed)"
        } else {
            "Faults(none)"
        })
    }
}

/// A description of faults that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a fault such as `commit.before:3`: a point and after how many passings the process ends"
)]
pub struct UnknownFault(String);

impl Faults {
    /// Nothing happens anywhere.
    pub fn none() -> Self {
        Faults(None)
    }

    /// Ends the process without any tidying at the n-th passing of a point: `commit.before:3`, several by commas.
    ///
    /// The name of a point may be one of [`POINTS`] or one of `others` (a store has its own).
    pub fn parse(text: &str, others: &[&'static str]) -> Result<Self, UnknownFault> {
        let faults: Vec<Fault> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| Fault::parse(part, others).ok_or_else(|| UnknownFault(part.to_owned())))
            .collect::<Result<_, _>>()?;
        if faults.is_empty() {
            return Ok(Faults::none());
        }
        Ok(Faults::call(move |point| {
            if faults.iter().any(|fault| fault.strikes(point)) {
                std::process::abort();
            }
        }))
    }

    /// Calls a function at each passing of any point, for simulations and tests.
    pub fn call(function: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Faults(Some(Arc::new(function)))
    }

    /// Whether anything is to happen anywhere.
    pub fn is_armed(&self) -> bool {
        self.0.is_some()
    }

    /// Passes a point.
    pub fn pass(&self, point: &'static str) {
        if let Some(function) = &self.0 {
            function(point);
        }
    }
}

struct Fault {
    point: &'static str,
    left: AtomicU64,
}

impl Fault {
    fn parse(text: &str, others: &[&'static str]) -> Option<Fault> {
        let (name, passings) = text.split_once(':').unwrap_or((text, "1"));
        let point = POINTS.iter().chain(others).find(|point| **point == name)?;
        let left: u64 = passings.parse().ok().filter(|passings| *passings > 0)?;
        Some(Fault {
            point,
            left: AtomicU64::new(left),
        })
    }

    /// Whether this passing is the one.
    fn strikes(&self, point: &str) -> bool {
        point == self.point && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_at_its_passing_and_nowhere_else() {
        let fault = Fault::parse("commit.before:3", &[]).expect("a fault");
        let strikes: Vec<bool> = (0..5).map(|_| fault.strikes("commit.before")).collect();
        assert_eq!(strikes, [false, false, true, false, false]);
        assert!(
            !Fault::parse("load.before", &[])
                .expect("a fault")
                .strikes("load.after")
        );
    }

    #[test]
    fn faults_are_named_by_known_points_only() {
        assert!(Faults::parse("", &[]).is_ok());
        assert!(Faults::parse("commit.before:3, reply.after", &[]).is_ok());
        assert!(Faults::parse("store.begin:2", &["store.begin"]).is_ok());
        for wrong in [
            "store.begin:2",
            "commit.before:0",
            "commit.before:x",
            "lunch",
        ] {
            assert!(Faults::parse(wrong, &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn points_have_names_of_their_own() {
        let names: std::collections::BTreeSet<&str> = POINTS.into_iter().collect();
        assert_eq!(names.len(), POINTS.len());
    }
}
