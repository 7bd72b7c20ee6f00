//! Who leads: waiting for the lead as a standby, and keeping it.
//!
//! A server takes the lead before it replays, so that nobody appends behind its back, and renews it on its own loop. All
//! lengths are measured by its steady clock, sleep included. Whether an append is still allowed is not decided here: the
//! log refuses a deposed writer by itself, whatever this clock says.

use std::sync::Arc;
use std::time::Duration;

use stead_core::ids::Seq;
use stead_ports::clock::Clock;
use stead_ports::log::lead::{RENEW_EVERY, TTL};
use stead_ports::log::{Claim, Error, EventLog, Lease};
use tokio_util::sync::CancellationToken;

/// A standby looks this often whether the lease is free or moved.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between tries to renew where the disk is in trouble.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// The lead of this server, as long as it is kept.
#[derive(Debug)]
pub struct Lead {
    /// 0: the lead is free, but the disk is too full to take it. The engine takes it before it decides anything; until
    /// then people can read.
    epoch: u64,
    holder: String,
    /// What it takes the place of.
    lapsed: Option<Lease>,
    clock: Arc<dyn Clock>,
    /// When the last renewal that succeeded was begun, in milliseconds since boot.
    renewed: u64,
    /// When it is tried again.
    next: u64,
}

/// Takes the lead of `log`, waiting while somebody else has it. `holder` names this server to people: host and process.
/// `None`: it was told to stop meanwhile.
pub async fn lead(
    log: &dyn EventLog,
    clock: Arc<dyn Clock>,
    holder: &str,
    stop: &CancellationToken,
) -> Result<Option<Lead>, Error> {
    // The lease that is waited for, and since when it has not moved.
    let mut watched: Option<(Lease, u64)> = None;
    loop {
        let now = clock.up();
        let lapsed = watched
            .as_ref()
            .filter(|(_, since)| passed(*since, now) >= TTL)
            .map(|(lease, _)| lease);
        let epoch = match log.lead(holder, clock.wall(), lapsed).await {
            Ok(Claim::Leads { epoch }) => epoch,
            Err(Error::Full) => 0,
            Err(error) => return Err(error),
            Ok(Claim::Held(lease)) => {
                let before = watched.as_ref().map(|(seen, _)| seen);
                if before.is_none_or(|seen| seen.epoch != lease.epoch) {
                    tracing::info!(
                        leader = lease.holder,
                        epoch = lease.epoch,
                        "standby: another server leads; this one takes over when it does not any more"
                    );
                }
                if before != Some(&lease) {
                    watched = Some((lease, now));
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(LOOK_EVERY) => continue,
                }
            }
        };
        tracing::info!(epoch, holder, "this server leads");
        return Ok(Some(Lead {
            epoch,
            holder: holder.to_owned(),
            lapsed: lapsed.cloned(),
            clock,
            renewed: now,
            next: after(now, RENEW_EVERY),
        }));
    }
}

fn after(now: u64, span: Duration) -> u64 {
    now.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn passed(since: u64, now: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(since))
}

impl Lead {
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Takes what could not be taken for want of room. `head`: what this server replayed to; when somebody wrote more, or
    /// leads, it has to begin anew.
    pub(crate) async fn take(&mut self, log: &dyn EventLog, head: Seq) -> Result<(), Error> {
        if self.epoch > 0 {
            return Ok(());
        }
        let now = self.clock.up();
        let lapsed = self.lapsed.as_ref();
        match log.lead(&self.holder, self.clock.wall(), lapsed).await? {
            Claim::Leads { epoch } if log.head().await?.seq == head => {
                (self.epoch, self.renewed) = (epoch, now);
                self.next = after(now, RENEW_EVERY);
                Ok(())
            }
            Claim::Leads { .. } => Err(Error::Locked(
                "somebody wrote while the disk was full".to_owned(),
            )),
            Claim::Held(lease) => Err(Error::Locked(format!("{} leads by now", lease.holder))),
        }
    }

    /// How long until it must be renewed.
    pub(crate) fn due_in(&self) -> Duration {
        passed(self.clock.up(), self.next)
    }

    /// Renews when it is time. Trouble with the disk is borne as long as the lease lasts; a full one longer, because
    /// nobody else can take a lease on it either.
    pub(crate) async fn keep(&mut self, log: &dyn EventLog) -> Result<(), Error> {
        let now = self.clock.up();
        let old = passed(self.renewed, now);
        if now < self.next {
            return Ok(());
        }
        // A full disk must not become a loop without a pause.
        self.next = after(now, TRY_AGAIN);
        match log.renew().await {
            Ok(()) => {
                self.renewed = now;
                self.next = after(now, RENEW_EVERY);
            }
            Err(Error::Full) => {}
            Err(error) if error.is_transient() && old < TTL => {
                tracing::warn!(%error, "the lead could not be renewed; tried again");
            }
            Err(error) => {
                tracing::error!(%error, "this server does not lead any more: {}", error.remedy());
                return Err(error);
            }
        }
        Ok(())
    }
}
