//! One simulation, from its plan to its report: a runtime of one thread whose clock jumps from timer to timer.

use std::collections::BTreeMap;
use std::time::Duration;

use stead_core::world::World;
use stead_ports::planted::Bug;
#[cfg(feature = "planted")]
use stead_ports::planted::plant;
use tokio::time::Instant;

use crate::fleet::Running;
use crate::invariant::{Breach, Finding};
use crate::plan::Plan;
use crate::truth::{Effect, Line, Truth};

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Keep the story.
    pub story: bool,
    /// Print the story as it happens, for a seed that does not end.
    pub aloud: bool,
    /// A bug to plant in the real code.
    pub bug: Option<Bug>,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Milliseconds that passed in it.
    pub length: u64,
    /// The first invariant that did not hold, and when.
    pub finding: Option<(u64, Finding)>,
    pub story: Vec<Line>,
    /// Content address of the whole log.
    pub log: String,
    pub events: u64,
    /// Events of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// What was begun at machines, in order.
    pub effects: Vec<Effect>,
    /// The log, folded.
    pub world: World,
    /// Bytes that were under way at once at most.
    pub under_way: usize,
}

/// What ships has no place for bugs.
#[cfg(not(feature = "planted"))]
fn plant(bug: Option<Bug>) {
    assert!(bug.is_none(), "this build has no bugs planted");
}

/// Runs a plan.
pub fn once(plan: &Plan, options: &Options) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread needs nothing that could be missing");
    plant(options.bug);
    let panics = crate::panics::watch();
    let report = runtime.block_on(play(plan, options, &panics));
    drop(runtime);
    plant(None);
    report
}

async fn play(plan: &Plan, options: &Options, panics: &crate::panics::Watch) -> Report {
    let truth = Truth::new(options.story, options.aloud);
    let began = Instant::now();
    let mut running = Running::begin(plan, &truth).await;
    let end = Duration::from_millis(plan.end);
    loop {
        let next = running.next().min(plan.end);
        let at = began + Duration::from_millis(next);
        tokio::select! {
            biased;
            () = truth.found.notified() => break,
            word = running.word() => running.hear(word),
            () = tokio::time::sleep_until(at) => {
                if next >= plan.end {
                    break;
                }
                running.turn().await;
            }
        }
        if let Some(text) = panics.take() {
            truth.fail(panicked(text));
            break;
        }
    }
    if truth.finding().is_none() && began.elapsed() >= end {
        running.quiet().await;
    }
    if let Some(text) = panics.take() {
        truth.fail(panicked(text));
    }
    Report {
        length: began.elapsed().as_millis() as u64,
        finding: truth.finding(),
        story: truth.story(),
        log: truth.log_hash(),
        events: truth.look(|h| h.events),
        kinds: truth.look(|h| h.kinds.clone()),
        effects: truth.look(|h| h.effects.clone()),
        world: truth.look(|h| h.world.clone()),
        under_way: running.net_peak(),
    }
}

fn panicked(text: String) -> Finding {
    Finding {
        name: "nobody-panics".to_string(),
        sentence: "No part of Stead panics.".to_string(),
        breach: Breach::new("no panic", text),
    }
}
