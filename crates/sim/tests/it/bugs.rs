//! A simulator that finds nothing proves nothing: each bug is planted in the real code, and must be found.

use stead_ports::planted::Bug;
#[cfg(feature = "planted")]
use stead_sim::plan::Plan;
#[cfg(feature = "planted")]
use stead_sim::run::{self, Options};

/// Within as many seeds as the ordinary run has.
#[cfg(feature = "planted")]
const WITHIN: u64 = super::seeds::PARTS * super::seeds::EACH;

/// The bug, the invariant that some seed must break by it, and others that a seed may break before.
const FOUND_BY: &[(Bug, &[&str])] = &[
    (Bug::LimitNotCounted, &["limit-per-hour"]),
    (Bug::ConcurrencyIgnored, &["concurrency"]),
    (Bug::LevelIgnored, &["level"]),
    (Bug::LockIgnored, &["locks-hold"]),
    (Bug::BrakeIgnored, &["brake-holds"]),
    (Bug::PersonsStopIgnored, &["persons-stop"]),
    (Bug::JournalForgets, &["effect-once", "one-executor"]),
    (Bug::ResentBlindly, &["effect-once"]),
    (Bug::ApprovalUnbound, &["approved-plan"]),
    (Bug::VerificationForgotten, &["approved-ends"]),
    (
        Bug::StaleKept,
        &["stale-is-never-drift", "healthy-was-seen"],
    ),
    (
        Bug::StartKeepsEvidence,
        &["healthy-was-seen", "stale-is-never-drift"],
    ),
    (Bug::DriftNotUpdated, &["drift-is-whole"]),
    (Bug::CauseAhead, &["causes-come-first"]),
    (Bug::ReplayDecides, &["replay-is-live"]),
    (Bug::AckBeforeCommit, &["acknowledged-is-kept"]),
    (
        Bug::AnswerBeforeCommit,
        &["answered-is-kept", "acknowledged-is-kept"],
    ),
    (Bug::SpoolForgets, &["acknowledged-is-kept"]),
    (Bug::TargetShared, &["one-executor"]),
    (Bug::LeaseIgnored, &["lease"]),
    (Bug::EmptyMeansGone, &["empty-means-none"]),
    (
        Bug::AliasKept,
        &["everybody-is-seen", "everybody-is-told", "approved-ends"],
    ),
    (Bug::BundleForgotten, &["everybody-is-told"]),
    (Bug::EpochIgnored, &["newest-leader"]),
    (Bug::GapsUnpaced, &["log-stays-small"]),
];

/// The first seed in which `bug` breaks the first of `invariants`; none breaks one that is not among them.
#[cfg(feature = "planted")]
fn found(bug: Bug, invariants: &[&str]) -> Option<u64> {
    let options = Options {
        bug: Some(bug),
        ..Options::default()
    };
    (1..=WITHIN).find(|seed| {
        let Some((_, finding)) = run::once(&Plan::of(*seed), &options).finding else {
            return false;
        };
        let name = finding.name.as_str();
        assert!(
            invariants.contains(&name),
            "{bug:?} broke {name} in seed {seed:#x}, not {invariants:?}"
        );
        name == invariants[0]
    })
}

#[cfg(feature = "planted")]
fn all_found(part: usize) {
    for (bug, invariants) in FOUND_BY.iter().skip(part).step_by(2) {
        let seed = found(*bug, invariants);
        let seed = seed.unwrap_or_else(|| panic!("{bug:?} never broke {}", invariants[0]));
        println!("{bug:?} breaks {} in seed {seed:#x}", invariants[0]);
    }
}

#[cfg(feature = "planted")]
#[test]
fn each_planted_bug_is_found_part_1() {
    all_found(0);
}

#[cfg(feature = "planted")]
#[test]
fn each_planted_bug_is_found_part_2() {
    all_found(1);
}

#[test]
fn every_bug_and_every_invariant_is_in_the_table() {
    for bug in Bug::ALL {
        assert!(FOUND_BY.iter().any(|(b, _)| b == bug), "{bug:?}");
    }
    for invariant in stead_sim::invariant::ALL {
        let proves = |(_, names): &(Bug, &[&str])| names[0] == invariant.name;
        assert!(FOUND_BY.iter().any(proves), "no bug for {}", invariant.name);
    }
}
