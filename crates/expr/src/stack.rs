//! Room for recursion, wherever the caller stands.

/// Parsing recurses in another crate without a bound of its own; the longest source allowed
/// takes about a tenth of this, unoptimized.
const PARSE_BYTES: usize = 16 * 1024 * 1024;
/// Our own walks are bounded by the nesting limit and need a fraction of this, unoptimized.
const WALK_BYTES: usize = 4 * 1024 * 1024;
/// With this much left a walk needs no stack of its own.
const WALK_LEFT_BYTES: usize = 1024 * 1024;

/// Parses on a stack of its own.
pub(crate) fn for_parsing<T>(act: impl FnOnce() -> T) -> T {
    stacker::grow(PARSE_BYTES, act)
}

/// Walks a tree of nodes on this stack, or on one of its own if this is nearly used up.
pub(crate) fn for_walking<T>(act: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(WALK_LEFT_BYTES, WALK_BYTES, act)
}
