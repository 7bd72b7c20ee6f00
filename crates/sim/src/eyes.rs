//! The eyes of a simulated agent: what its machine shows becomes facts on the board, judged by the core's own functions
//! and the bundle's patience.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stead_agent::board::Board;
use stead_core::desired::{Bundle, Check};
use stead_core::facts::{Fact, FactKey, Facts};
use stead_core::ids::{CheckName, ServiceName};
use stead_core::judge::{Answer, CheckState, ProbeResult};
use stead_core::time::Span;
use stead_ports::clock::Clock;
use stead_ports::watch;

use crate::life::Life;
use crate::machine::Machine;
use crate::truth::Truth;

/// What looks at one machine.
#[derive(Debug)]
pub struct Eyes {
    pub machine: Machine,
    pub board: Board,
    pub bundle: watch::Receiver<Arc<Bundle>>,
    pub clock: Arc<dyn Clock>,
    pub life: Life,
    pub truth: Truth,
    pub checks: BTreeMap<(ServiceName, CheckName), Asked>,
}

/// A check between its answers, and when it is asked next.
#[derive(Debug)]
pub struct Asked {
    state: CheckState,
    check: Check,
    next: u64,
}

impl Eyes {
    /// Looks until the process ends.
    pub async fn run(mut self) {
        let mut news = self.machine.news();
        let mut bundle = self.bundle.clone();
        loop {
            self.life.gate().await;
            news.borrow_and_update();
            let desired = bundle.borrow_and_update().clone();
            let next = self.look(&desired);
            let now = self.truth.now();
            let wait = next.map_or(Duration::from_secs(60), |at| {
                Duration::from_millis(at.saturating_sub(now).max(1))
            });
            tokio::select! {
                biased;
                () = self.life.stop.cancelled() => return,
                changed = news.changed() => if changed.is_err() { return },
                changed = bundle.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Looks once; when it must look again.
    fn look(&mut self, bundle: &Bundle) -> Option<u64> {
        let now = self.truth.now();
        let wall = self.clock.wall();
        let desired = &bundle.node;
        // Who looks at a machine and changes nothing there tells nobody.
        let (blind, facts, next) = self.machine.peek(|state| {
            let facts = state.facts(desired, false, now, wall);
            (
                now < state.blind_until,
                facts,
                state.next_change(desired, now),
            )
        });
        let checked = self.ask(bundle, now);
        if !blind {
            self.apply(facts);
        }
        self.board.set_ready();
        [next, checked].into_iter().flatten().min()
    }

    /// Tells what is new, and what is gone.
    fn apply(&self, facts: Facts) {
        let gone = self.board.facts(|before| {
            let gone = before
                .keys()
                .filter(|k| !facts.contains_key(*k) && !matches!(k, FactKey::Check(..)));
            gone.map(|k| (k.clone(), None)).collect::<Vec<_>>()
        });
        let seen = facts.into_iter().map(|(key, fact)| (key, Some(fact)));
        self.board.apply(seen.chain(gone).collect());
    }

    /// Asks the checks that are due; when the next one is.
    fn ask(&mut self, bundle: &Bundle, now: u64) -> Option<u64> {
        let wanted = |service: &ServiceName, check: &CheckName| {
            let service = bundle.node.services.get(service);
            service.is_some_and(|s| s.checks.iter().any(|c| c.name == *check))
        };
        let mut changes = Vec::new();
        self.checks.retain(|(service, check), _| {
            let keep = wanted(service, check);
            if !keep {
                changes.push((FactKey::Check(service.clone(), check.clone()), None));
            }
            keep
        });
        for (name, service) in &bundle.node.services {
            for check in &service.checks {
                let asked = self
                    .checks
                    .entry((name.clone(), check.name.clone()))
                    .or_insert_with(|| Asked {
                        state: CheckState::new(&check.probe),
                        check: check.clone(),
                        next: now + 500,
                    });
                if asked.next > now {
                    continue;
                }
                asked.next = now + asked.check.every.0;
                let deaf = self
                    .machine
                    .peek(|s| s.deaf.get(name).is_some_and(|until| now < *until));
                let failures = check.failures.unwrap_or(service.patience.failures);
                let result = answer(deaf);
                let wall = self.clock.wall();
                let fact = asked
                    .state
                    .observe(wall, &result, failures, service.patience.time);
                if let Some(fact) = fact {
                    let key = FactKey::Check(name.clone(), check.name.clone());
                    changes.push((key, Some(Fact::Check(fact))));
                }
            }
        }
        if !changes.is_empty() {
            self.board.apply(changes);
        }
        self.checks.values().map(|asked| asked.next).min()
    }
}

fn answer(deaf: bool) -> ProbeResult {
    ProbeResult {
        outcome: if deaf { Answer::Failed } else { Answer::Ok },
        answer: if deaf { "no answer" } else { "open" }.to_string(),
        took: Span::millis(1),
    }
}
