//! The hands of a simulated agent: what an order does to its machine, how long that takes, and what of it goes on when
//! the agent is killed half-way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stead_agent::order::hands::Hands;
use stead_core::command::{Command, Order, Outcome};
use stead_core::ids::NodeName;
use stead_core::time::Span;
use stead_ports::clock::Clock;
use tokio::sync::oneshot;

use crate::chance::Chance;
use crate::life::Life;
use crate::machine::Machine;
use crate::truth::Truth;

/// How long an effect on a container may be on its way with nothing to see of it: its stop time-out.
const STOP_WITHIN: u64 = 10_000;

/// What carries out the orders of one node.
#[derive(Debug)]
pub struct SimHands {
    pub node: NodeName,
    pub machine: Machine,
    pub clock: Arc<dyn Clock>,
    pub life: Life,
    pub truth: Truth,
    pub chance: Mutex<Chance>,
}

/// An effect on its way.
struct Work {
    machine: Machine,
    clock: Arc<dyn Clock>,
    truth: Truth,
    command: Command,
    place: usize,
    boot: u32,
    takes: u64,
    /// The engine gives up when the agent that asked is gone.
    needs: Option<Life>,
}

impl Work {
    /// Whether it was done.
    async fn run(self) -> bool {
        tokio::time::sleep(Duration::from_millis(self.takes)).await;
        let now = self.truth.now();
        let wall = self.clock.wall();
        let gone = self.needs.is_some_and(|life| life.is_dead());
        let done = self.machine.change(|state| {
            let same = state.boot == self.boot;
            same && !gone && state.carry_out(&self.command, now, wall)
        });
        self.truth.end(self.place, done);
        done
    }
}

fn of_engine(command: &Command) -> bool {
    !matches!(command, Command::UnitRestart { .. })
}

impl SimHands {
    fn draw<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits while the engine hangs; `false`: for as long as `limit`.
    async fn engine_answers(&self, limit: Duration) -> bool {
        let hung = self.machine.look(|s| s.hung_until);
        let wait = hung.saturating_sub(self.truth.now());
        let patience = limit.as_millis() as u64;
        tokio::time::sleep(Duration::from_millis(wait.min(patience))).await;
        // Whoever is stopped by a signal has asked already; who is gone has not, any more.
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
        wait <= patience
    }
}

#[async_trait]
impl Hands for SimHands {
    async fn carry_out(&self, order: &Order, limit: Duration) -> Outcome {
        self.life.gate().await;
        let command = &order.command;
        if of_engine(command) {
            if !self.engine_answers(limit).await {
                let why = "the engine did not answer in time".to_string();
                return Outcome::Unknown { why };
            }
            let now = self.truth.now();
            if !self.machine.look(|s| s.engine_is_up(now)) {
                return failed("engine-unreachable", "the engine does not answer");
            }
        }
        let takes = match command {
            Command::UnitRestart { .. } => self.draw(|c| c.between(5, 1_500)),
            _ => self.draw(|c| c.between(20, 8_000)),
        };
        let place = self.truth.begin(&self.node, order);
        let work = Work {
            machine: self.machine.clone(),
            clock: Arc::clone(&self.clock),
            truth: self.truth.clone(),
            command: command.clone(),
            place,
            boot: self.machine.look(|s| s.boot),
            takes,
            needs: self.draw(|c| c.percent(30)).then(|| self.life.clone()),
        };
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let done = work.run().await;
            let _ = tell.send(done);
        });
        let done = told.await;
        self.life.gate().await;
        match done {
            Ok(true) => Outcome::Done {
                output: String::new(),
                freed: matches!(command, Command::DiskCleanup { .. }).then_some(1_000_000),
            },
            _ => failed("target-changed", "it is not there as it was planned"),
        }
    }

    async fn look_again(&self, _: &Command) {
        self.machine.change(|_| ());
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.life.gate().await;
    }

    async fn quiet(&self, command: &Command) -> Duration {
        match command {
            Command::ContainerRestart { .. } | Command::ContainerRecreate { .. } => {
                Duration::from_millis(STOP_WITHIN)
            }
            _ => Duration::ZERO,
        }
    }

    fn claim(&self, _: &Command, _: Span) -> Box<dyn Send> {
        Box::new(())
    }
}

fn failed(code: &str, why: &str) -> Outcome {
    Outcome::Failed {
        code: code.to_string(),
        why: why.to_string(),
        output: String::new(),
    }
}
