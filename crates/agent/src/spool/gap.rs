//! What was lost, and how much of it: told to every reader that has not passed it, kept until the server has.

use serde::{Deserialize, Serialize};
use stead_ports::disk;

use super::Spool;

/// Frames `from..=to` are lost, `dropped` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub from: u64,
    pub to: u64,
    pub dropped: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedGap {
    spool: String,
    #[serde(flatten)]
    gap: Gap,
}

impl Spool {
    pub(super) fn lost(&mut self, new: Gap) {
        let gap = match self.gap {
            Some(old) => Gap {
                from: old.from.min(new.from),
                to: old.to.max(new.to),
                dropped: old.dropped.saturating_add(new.dropped),
            },
            None => new,
        };
        self.gap = Some(gap);
        self.save_gap();
    }

    /// Best effort: on a full disk it is remembered in memory only, and the next snapshot tells the state anyway.
    pub(super) fn save_gap(&self) {
        let path = self.dir.join("gap.json");
        let Some(gap) = self.gap else {
            let _ = self.disk.remove(&path);
            return;
        };
        let text = serde_json::to_vec(&SavedGap {
            spool: self.id(),
            gap,
        })
        .unwrap_or_default();
        if let Err(error) = disk::replace(&*self.disk, &path, &text) {
            tracing::debug!(%error, "the gap is not kept on disk");
        }
    }

    pub(super) fn saved_gap(&self) -> Option<Gap> {
        let text = self.disk.read(&self.dir.join("gap.json")).ok()?;
        let saved: SavedGap = serde_json::from_slice(&text).ok()?;
        (saved.spool == self.id()).then_some(saved.gap)
    }
}
