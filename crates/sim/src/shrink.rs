//! A failing plan made smaller: moves are left out one by one as long as the same invariant stays broken, so that the
//! story is short.

use crate::plan::Plan;
use crate::run::{self, Options};

/// Runs spent on one plan at most.
const RUNS: usize = 400;

/// The numbers of the moves that are not needed for the finding called `name`.
pub fn shrink(plan: &Plan, options: &Options, name: &str) -> Vec<u32> {
    let mut dropped: Vec<u32> = Vec::new();
    let mut runs = 0;
    let numbers: Vec<u32> = plan.moves.iter().map(|m| m.number).collect();
    // Large parts first, then smaller ones.
    let mut size = numbers.len().div_ceil(2).max(1);
    loop {
        let mut smaller = false;
        for part in numbers.chunks(size) {
            let fresh: Vec<u32> = part
                .iter()
                .copied()
                .filter(|n| !dropped.contains(n))
                .collect();
            if fresh.is_empty() || runs >= RUNS {
                continue;
            }
            runs += 1;
            let mut tried = dropped.clone();
            tried.extend(fresh);
            let report = run::once(&plan.without(&tried), options);
            if report.finding.is_some_and(|(_, f)| f.name == name) {
                dropped = tried;
                smaller = true;
            }
        }
        if size == 1 && (!smaller || runs >= RUNS) {
            dropped.sort_unstable();
            return dropped;
        }
        size = (size / 2).max(1);
    }
}
