//! Random fleets under random faults. `make sim SEEDS=n` runs more of them.

use stead_sim::plan::Plan;
use stead_sim::run::{self, Options};
use stead_sim::{shrink, story};

/// Tests that share the seeds, so that each core has some.
#[cfg(feature = "planted")]
pub const PARTS: u64 = 4;
/// Seeds of each part.
pub const EACH: u64 = 400;

fn hold(part: u64) {
    let first = 1 + part * EACH;
    for seed in first..first + EACH {
        let plan = Plan::of(seed);
        let report = run::once(&plan, &Options::default());
        if let Some((_, finding)) = report.finding {
            let dropped = shrink::shrink(&plan, &Options::default(), &finding.name);
            let telling = Options {
                story: true,
                ..Options::default()
            };
            let report = run::once(&plan.without(&dropped), &telling);
            match &report.finding {
                Some(finding) => panic!(
                    "\n{}",
                    story::told(seed, &dropped, &report.story, finding, false)
                ),
                None => panic!("seed {seed:#x}: {finding:?}, and not again"),
            }
        }
    }
}

#[test]
fn every_invariant_holds_part_1() {
    hold(0);
}

#[test]
fn every_invariant_holds_part_2() {
    hold(1);
}

#[test]
fn every_invariant_holds_part_3() {
    hold(2);
}

#[test]
fn every_invariant_holds_part_4() {
    hold(3);
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    let log = |seed| run::once(&Plan::of(seed), &Options::default()).log;
    for seed in 1..=25 {
        assert_eq!(log(seed), log(seed), "seed {seed:#x}");
    }
    assert_ne!(log(1), log(2));
}

#[cfg(feature = "planted")]
#[test]
fn a_finding_is_told_shortly_and_names_what_replays_it() {
    let bug = Some(stead_ports::planted::Bug::VerificationForgotten);
    let options = Options {
        bug,
        ..Options::default()
    };
    let (seed, plan, name) = (1..)
        .find_map(|seed| {
            let plan = Plan::of(seed);
            let (_, finding) = run::once(&plan, &options).finding?;
            Some((seed, plan, finding.name))
        })
        .expect("some seed has an action that must end");
    let dropped = shrink::shrink(&plan, &options, &name);
    assert!(!dropped.is_empty(), "nothing of {plan:?} could be left out");
    let telling = Options {
        story: true,
        ..options
    };
    let report = run::once(&plan.without(&dropped), &telling);
    let finding = report.finding.expect("it is found again");
    let told = story::told(seed, &dropped, &report.story, &finding, false);
    assert!(told.contains(&name), "{told}");
    assert!(
        told.contains(&format!("cargo xtask sim --seed {seed:#x} --drop")),
        "{told}"
    );
    assert!(told.lines().count() < 60, "{told}");
}
