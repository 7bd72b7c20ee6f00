//! Who may write the log: a lease with an epoch that only grows.
//!
//! The lease is a hint, the epoch is the rule. Whoever takes the lead gets a higher epoch than anybody before, and from
//! then on every append of an older one is refused, in the transaction that would have written it. So it does no harm
//! when two servers both believe they lead: one of them writes, the other learns it.
//!
//! No two machines' clocks are compared, ever. A candidate watches the lease by its own steady clock, and takes it over
//! when it did not move for [`TTL`]; a clock that is an hour off delays nobody and deposes nobody.

use std::time::Duration;

use stead_core::time::Time;

/// A lease that was not renewed for so long may be taken over.
pub const TTL: Duration = Duration::from_secs(15);
/// The leader renews this often, so that one slow disk does not cost it the lead.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);

/// The lease as the store keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    /// Highest epoch ever given; 0 where nobody ever led.
    pub epoch: u64,
    /// For people: host and process. Empty: nobody holds it.
    pub holder: String,
    /// Grows with each renewal.
    pub beat: u64,
}

impl Lease {
    /// Whether nobody holds it.
    pub fn is_free(&self) -> bool {
        self.holder.is_empty()
    }

    /// The lease that follows when `holder` takes over. The epoch is at least the wall clock in milliseconds: a store
    /// restored from an old copy does not give an epoch again that agents have already seen.
    #[must_use]
    pub fn taken(&self, holder: &str, now: Time) -> Lease {
        let clock = u64::try_from(now.0).unwrap_or(0);
        Lease {
            epoch: self.epoch.saturating_add(1).max(clock),
            holder: holder.to_owned(),
            beat: 0,
        }
    }

    /// The same lease, renewed.
    #[must_use]
    pub fn renewed(&self) -> Lease {
        Lease {
            beat: self.beat.saturating_add(1),
            ..self.clone()
        }
    }

    /// The same epoch, held by nobody.
    #[must_use]
    pub fn resigned(&self) -> Lease {
        Lease {
            holder: String::new(),
            ..self.clone()
        }
    }

    /// Whether a candidate may take it: it is free, or it stands exactly as the candidate saw it [`TTL`] ago.
    pub fn may_be_taken(&self, lapsed: Option<&Lease>) -> bool {
        self.is_free() || lapsed == Some(self)
    }
}

/// What became of a try to lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This handle leads; what was appended before is known to it.
    Leads { epoch: u64 },
    /// Somebody else does.
    Held(Lease),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_never_comes_again_whatever_the_clock_says() {
        let mut lease = Lease::default();
        let mut before = 0;
        for now in [5_000, 1_000, -7, 5_001, 9_000] {
            lease = lease.taken("a", Time(now)).renewed().resigned();
            assert!(lease.epoch > before, "{lease:?}");
            before = lease.epoch;
        }
        let restored = Lease::default().taken("b", Time(9_001));
        assert!(
            restored.epoch > before,
            "an old copy of the store goes on above"
        );
    }

    #[test]
    fn only_a_lease_that_stood_still_is_taken_over() {
        let held = Lease::default().taken("a", Time(0));
        assert!(Lease::default().may_be_taken(None) && held.resigned().may_be_taken(None));
        assert!(!held.may_be_taken(None));
        assert!(held.may_be_taken(Some(&held)));
        assert!(
            !held.renewed().may_be_taken(Some(&held)),
            "it was renewed meanwhile"
        );
    }
}
