//! Templates and conditions: the `${…}` parts of a definition, and its `when`s and rules.
//!
//! An expression is CEL, parsed by the `cel` crate and then checked and evaluated here,
//! so that three promises hold which an interpreter at large does not make:
//!
//! * **Bounded.** Source, nodes, nesting, loops, steps and sizes have limits, and a hostile
//!   text is refused long before it costs noticeable time or memory; nothing can abort the process.
//! * **Reproducible.** No clock, no randomness and no map order: the same source and values
//!   give the same result on every machine.
//! * **Discreet.** Messages name identifiers, types and positions, never operand values,
//!   since a value may be a secret.
//!
//! A result is data: it is never read as a template again.
//!
//! ```
//! use trainmaster_expr::{Template, Values};
//!
//! let template = Template::parse("rel-${inputs.version}")?;
//! let inputs = serde_json::json!({"version": 12});
//! let values = Values { names: [("inputs".to_owned(), inputs)].into(), ..Values::default() };
//! assert_eq!(template.evaluate(&values)?, "rel-12");
//! # Ok::<(), trainmaster_expr::Error>(())
//! ```
//!
//! Where this differs from standard CEL, it is more forgiving: whole and decimal numbers mix,
//! `has(a.b.c)` is false when `a.b` is absent, and `map` and `filter` over an object see its keys
//! in alphabetical order. Bytes, unsigned numbers and messages are left out.

mod check;
mod error;
mod evaluate;
mod functions;
mod meter;
mod operators;
mod parse;
mod pattern;
mod scan;
mod scope;
mod stack;
mod syntax;
mod template;
mod time;
mod value;

pub use error::{Error, ErrorKind};
pub use scope::{Limits, Outcome, Reference, Scope, Type, Values};
pub use template::{Condition, Template};
