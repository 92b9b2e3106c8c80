//! What an evaluation has left to spend.

use crate::error::ErrorKind;
use crate::scope::Limits;

/// Why an operation gave no value; its place is added by whoever knows the node.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Fault {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Fault::new(ErrorKind::Failed, message)
    }

    pub(crate) fn wrong_type(message: impl Into<String>) -> Self {
        Fault::new(ErrorKind::WrongType, message)
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Fault::new(ErrorKind::Missing, message)
    }
}

/// Text made costs a step per this many bytes, which bounds the memory of all steps together.
const MADE_BYTES_PER_STEP: usize = 32;
/// Text read costs a step per this many bytes.
const READ_BYTES_PER_STEP: usize = 256;

/// Counts steps down and refuses what is too large, before it is made.
pub(crate) struct Meter {
    steps_left: u64,
    steps_max: u64,
    text_bytes_max: usize,
    depth_left: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Meter {
            steps_left: limits.steps_max,
            steps_max: limits.steps_max,
            text_bytes_max: limits.result_bytes_max,
            depth_left: limits.nesting_max,
        }
    }

    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), Fault> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => {
                self.steps_left = 0;
                let message = format!("the expression takes more than {} steps", self.steps_max);
                Err(Fault::new(ErrorKind::BudgetSpent, message))
            }
        }
    }

    /// Pays for a list or object with this many elements.
    pub(crate) fn make_elements(&mut self, count: usize) -> Result<(), Fault> {
        self.spend(to_steps(count))
    }

    /// Pays for a text of this length, and refuses one over the limit.
    pub(crate) fn make_text(&mut self, bytes: usize) -> Result<(), Fault> {
        self.fit(bytes)?;
        self.spend(to_steps(bytes / MADE_BYTES_PER_STEP + 1))
    }

    /// Pays for looking through a text of this length.
    pub(crate) fn read_text(&mut self, bytes: usize) -> Result<(), Fault> {
        self.spend(to_steps(bytes / READ_BYTES_PER_STEP + 1))
    }

    /// Refuses a size over the limit.
    pub(crate) fn fit(&self, bytes: usize) -> Result<(), Fault> {
        if bytes <= self.text_bytes_max {
            return Ok(());
        }
        let message = format!("a value is larger than {} bytes", self.text_bytes_max);
        Err(Fault::new(ErrorKind::TooLarge, message))
    }

    /// Does something one level deeper in the data.
    pub(crate) fn deeper<T>(
        &mut self,
        act: impl FnOnce(&mut Meter) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.depth_left == 0 {
            return Err(Fault::new(
                ErrorKind::TooNested,
                "the data is nested too deeply",
            ));
        }
        self.depth_left -= 1;
        let outcome = act(self);
        self.depth_left += 1;
        outcome
    }
}

fn to_steps(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
