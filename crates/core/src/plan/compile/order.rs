//! What must come before what: cycles, and orders without them.

use std::collections::BTreeSet;

/// Every cycle that a walk along dependencies closes, each from its smallest position on.
///
/// Not every way around a tangle is listed, but each tangle has at least one.
pub(super) fn cycles(dependencies: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; dependencies.len()];
    let mut found = BTreeSet::new();
    for start in 0..dependencies.len() {
        // A stack of our own: a chain may be as long as there are activities.
        let mut way: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::Open;
            way.push((start, 0));
        }
        while let Some((node, next)) = way.last_mut() {
            let Some(&before) = dependencies[*node].get(*next) else {
                marks[*node] = Mark::Done;
                way.pop();
                continue;
            };
            *next += 1;
            match marks[before] {
                Mark::Done => (),
                Mark::New => {
                    marks[before] = Mark::Open;
                    way.push((before, 0));
                }
                Mark::Open => {
                    let from = way.iter().position(|(node, _)| *node == before);
                    let cycle = way[from.unwrap_or(0)..].iter().map(|(node, _)| *node);
                    found.insert(from_smallest(cycle.collect()));
                }
            }
        }
    }
    found.into_iter().collect()
}

fn from_smallest(mut cycle: Vec<usize>) -> Vec<usize> {
    let smallest = cycle.iter().enumerate().min_by_key(|(_, node)| **node);
    let position = smallest.map_or(0, |(position, _)| position);
    cycle.rotate_left(position);
    cycle
}

/// What something waits for, near and far; not itself, unless it is in a cycle.
pub(super) fn upstream(of: usize, dependencies: &[Vec<usize>]) -> Vec<bool> {
    upstream_of(of, |node| &dependencies[node], dependencies.len())
}

/// The same, wherever the dependencies are kept.
pub(super) fn upstream_of<'d>(
    of: usize,
    dependencies: impl Fn(usize) -> &'d Vec<usize>,
    count: usize,
) -> Vec<bool> {
    let mut found = vec![false; count];
    let mut open: Vec<usize> = dependencies(of).clone();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut found[node], true) {
            open.extend(dependencies(node));
        }
    }
    found
}

/// An order in which everything comes after what it depends on; what is in or behind a cycle is left out.
pub(super) fn sorted(dependencies: &[Vec<usize>]) -> Vec<usize> {
    let mut dependents = vec![Vec::new(); dependencies.len()];
    let mut missing: Vec<usize> = dependencies.iter().map(Vec::len).collect();
    for (node, before) in dependencies.iter().enumerate() {
        before
            .iter()
            .for_each(|before| dependents[*before].push(node));
    }
    let mut ready: BTreeSet<usize> = (0..dependencies.len())
        .filter(|node| missing[*node] == 0)
        .collect();
    let mut order = Vec::new();
    while let Some(node) = ready.pop_first() {
        order.push(node);
        for &dependent in &dependents[node] {
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                ready.insert(dependent);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tangle_names_a_cycle() {
        assert_eq!(
            cycles(&[vec![], vec![0], vec![0, 1]]),
            Vec::<Vec<usize>>::new()
        );
        assert_eq!(cycles(&[vec![0], vec![0]]), [[0]]);
        assert_eq!(cycles(&[vec![2], vec![0], vec![1]]), [[0, 2, 1]]);
        assert_eq!(
            cycles(&[vec![1], vec![0], vec![3], vec![2]]),
            [[0, 1], [2, 3]]
        );
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let chain: Vec<Vec<usize>> = (0..200_000_usize)
            .map(|node| node.checked_sub(1).into_iter().collect())
            .collect();
        assert!(cycles(&chain).is_empty());
        assert_eq!(sorted(&chain).len(), chain.len());
        assert_eq!(
            upstream(1_000, &chain).iter().filter(|is| **is).count(),
            1_000
        );
    }

    #[test]
    fn what_waits_for_a_cycle_has_no_place_in_the_order() {
        assert_eq!(
            sorted(&[vec![], vec![2], vec![1], vec![1], vec![0]]),
            [0, 4]
        );
    }
}
