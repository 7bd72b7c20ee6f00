//! Old partitions away: those no tier keeps any more, and, where all of it is larger than it may be, the oldest.

use stead_ports::history::Error;

use super::ledger::Ledger;
use super::{Inner, Store};

impl Store {
    /// Drops what is too old or too much; whether there was something.
    pub async fn drop_old(&self) -> Result<bool, Error> {
        self.0.alone(|inner| inner.drop_old()).await
    }
}

impl Inner {
    pub(super) fn drop_old(&self) -> Result<bool, Error> {
        let (mut ledger, beside) = {
            let state = self.state();
            (state.ledger.clone(), state.wal.bytes())
        };
        let era = self.era();
        let tiers = &self.options.tiers;
        let mut gone = Vec::new();
        for tier in 0..tiers.len() {
            let (step, horizon) = (tiers.step(tier), tiers.horizon(tier, era));
            let old = ledger.take(|part| part.about.step == step && part.about.from < horizon);
            if !old.is_empty() {
                mark(&mut ledger, step, horizon);
                gone.extend(old);
            }
        }
        let bound = self.options.bound.saturating_sub(beside);
        while ledger.size() > bound {
            let end = |step, from| from + self.partition_of(step);
            let parts = ledger.parts.iter().map(|part| part.about);
            let Some(oldest) = parts.min_by_key(|about| end(about.step, about.from)) else {
                break;
            };
            let of = |step, from| (step, from) == (oldest.step, oldest.from);
            gone.extend(ledger.take(|part| of(part.about.step, part.about.from)));
            mark(&mut ledger, oldest.step, end(oldest.step, oldest.from));
        }
        if gone.is_empty() {
            return Ok(false);
        }
        self.commit(ledger, |_| {})?;
        for part in gone {
            self.remove_part(part.about.number);
        }
        Ok(true)
    }
}

/// Everything of a tier before `to` is gone, and what comes later of that time is not looked for.
fn mark(ledger: &mut Ledger, step: i64, to: i64) {
    let dropped = ledger.dropped.entry(step).or_insert(to);
    *dropped = to.max(*dropped);
}
