//! The calendar: what a release touches, when it takes place, and what it collides with (2-execution.md, Calendar).

pub mod touch;
