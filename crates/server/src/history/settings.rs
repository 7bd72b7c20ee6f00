//! What the fleet's files say of samples, followed while the server runs: whose history is read, where samples go, whether
//! they are kept. Tiers are read once, when the store is opened.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stead_adapters::prometheus::{Names, Prometheus, Receiver};
use stead_core::desired::{Fleet, Metrics};
use stead_engine::Handle;
use stead_history::tier::{Tier, Tiers};
use stead_ports::clock::Clock;
use stead_ports::history::Error;
use stead_ports::secrets::Secrets;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::remote::Remote;
use crate::secrets::FileSecrets;

/// How often the files' last word is looked at.
const ROUND: Duration = Duration::from_secs(2);
/// How often it is asked whether the Prometheus that is read is there.
const LOOK: Duration = Duration::from_secs(15);
/// The code of its trouble.
const TROUBLE: &str = "history-away";

/// What was said last.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    metrics: Metrics,
    /// Empty where nobody is read.
    names: Names,
}

impl Wanted {
    fn of(fleet: &Fleet) -> Wanted {
        let metrics = fleet.metrics.clone();
        let names = metrics.read.as_ref().map(|source| {
            let nodes = fleet.nodes.keys();
            Names::new(nodes, &fleet.aliases, &source.nodes)
        });
        Wanted {
            names: names.unwrap_or_default(),
            metrics,
        }
    }
}

/// The tiers that the files name; the server's own where they name none.
pub(super) fn tiers(handle: &Handle) -> Tiers {
    named(&handle.read(|view| view.world().fleet.metrics.tiers.clone()))
}

/// What cannot be used was refused when the files were read; a log of another build may still hold it.
fn named(named: &[stead_core::desired::Tier]) -> Tiers {
    let tier = |tier: &stead_core::desired::Tier| Tier {
        step: tier.step,
        keep: tier.keep,
    };
    let tiers = Tiers::new(named.iter().map(tier).collect());
    tiers.unwrap_or_else(|_| Tiers::server())
}

/// Follows what the files say until `stop`.
pub(super) async fn follow(
    history: Arc<Inner>,
    data: &Path,
    handle: Handle,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut follower = Follower {
        history,
        secrets: Arc::new(FileSecrets::of(data)),
        handle,
        clock,
        wanted: Wanted::default(),
        sending: stop.child_token(),
        looked: None,
    };
    let mut round = tokio::time::interval(ROUND);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = round.tick() => follower.round(&stop).await,
        }
    }
}

struct Follower {
    history: Arc<Inner>,
    secrets: Arc<dyn Secrets>,
    handle: Handle,
    clock: Arc<dyn Clock>,
    wanted: Wanted,
    /// Ends those who send what was wanted before.
    sending: CancellationToken,
    looked: Option<Instant>,
}

impl Follower {
    async fn round(&mut self, stop: &CancellationToken) {
        let wanted = self.handle.read(|view| Wanted::of(&view.world().fleet));
        if wanted != self.wanted {
            self.take(wanted, stop);
        }
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            self.look().await;
        }
    }

    fn take(&mut self, wanted: Wanted, stop: &CancellationToken) {
        let keep = &self.history.discarding;
        keep.store(!wanted.metrics.record, Ordering::Relaxed);
        if wanted.metrics.read != self.wanted.metrics.read || wanted.names != self.wanted.names {
            let source = wanted.metrics.read.as_ref().and_then(|source| {
                let secrets = Arc::clone(&self.secrets);
                let clock = Arc::clone(&self.clock);
                let made = Prometheus::new(source, wanted.names.clone(), secrets, clock);
                made.map_err(|error| self.tell(&error)).ok()
            });
            self.history.set_theirs(source.map(Arc::new));
            self.looked = None;
            self.handle.relieved(TROUBLE);
        }
        if wanted.metrics.remote_write != self.wanted.metrics.remote_write {
            self.sending.cancel();
            self.sending = stop.child_token();
            let start = |door: &stead_core::desired::Door| {
                let receiver = Receiver::new(door.clone(), Arc::clone(&self.secrets)).ok()?;
                let counts = Arc::clone(&self.history.remote);
                let handle = self.handle.clone();
                Some(Remote::start(
                    receiver,
                    counts,
                    handle,
                    self.sending.clone(),
                ))
            };
            let doors = wanted.metrics.remote_write.iter();
            self.history.set_remotes(doors.filter_map(start).collect());
        }
        self.wanted = wanted;
    }

    async fn look(&self) {
        let Some(source) = self.history.theirs() else {
            return;
        };
        match source.look().await {
            Ok(()) => self.handle.relieved(TROUBLE),
            Err(error) => self.tell(&error),
        }
    }

    fn tell(&self, error: &Error) {
        let remedy = "Look at it, at the network and at `prometheus.read` in stead.yaml; it goes on by itself.";
        self.handle.trouble(TROUBLE, format!("{error}."), remedy);
    }
}

#[cfg(test)]
mod tests {
    use stead_core::desired::Tier as Named;
    use stead_core::time::Span;

    use super::*;

    #[test]
    fn tiers_are_those_of_the_files_or_the_servers_own() {
        assert_eq!(named(&[]), Tiers::server());
        let tier = |step, keep| Named { step, keep };
        let own = named(&[
            tier(Span::secs(30), Span::days(14)),
            tier(Span::mins(10), Span::days(365)),
        ]);
        assert_eq!((own.len(), own.step(0), own.step(1)), (2, 30_000, 600_000));
        assert_eq!(own.get(1).keep, Span::days(365));
        let unusable = [
            tier(Span::mins(10), Span::days(14)),
            tier(Span::secs(30), Span::days(365)),
        ];
        assert_eq!(named(&unusable), Tiers::server());
    }

    #[test]
    fn who_is_read_is_known_by_the_fleets_names() {
        let mut fleet = Fleet::default();
        assert_eq!(Wanted::of(&fleet), Wanted::default());
        let piha: stead_core::ids::NodeName = "piha".parse().unwrap();
        fleet.nodes.insert(piha.clone(), Default::default());
        assert_eq!(Wanted::of(&fleet), Wanted::default(), "nobody is read");
        fleet.metrics.read = Some(stead_core::desired::Source {
            door: stead_core::desired::Door::open("http://p".to_owned()),
            label: "instance".to_owned(),
            nodes: [("10.0.0.5".to_owned(), piha.clone())].into(),
        });
        let wanted = Wanted::of(&fleet);
        for value in ["piha:9100", "10.0.0.5"] {
            assert_eq!(wanted.names.node(value), Some(&piha), "{value}");
        }
    }
}
