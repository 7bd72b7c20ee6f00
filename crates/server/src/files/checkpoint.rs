//! `state/observer_checkpoint.json`: how far the files go. Removing it and restarting replays everything.

use serde::{Deserialize, Serialize};
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_ports::log::Head;

use super::Error;
use super::journal::Journal;
use super::tree::{self, Tree};

const FILE: &str = "state/observer_checkpoint.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// Last event in the files.
    seq: Seq,
    /// Of that event.
    digest: String,
    at: Time,
    log_id: String,
}

/// The checkpoint as it is kept.
#[derive(Debug)]
pub struct Checkpoint {
    log_id: String,
    reached: (Seq, String),
    written: Option<(Seq, String)>,
    /// Somebody removed it while Stead ran: the next start is to replay, so it is not put back.
    removed: bool,
}

impl Checkpoint {
    /// Also: where to go on from, if anybody knows.
    pub fn open(tree: &Tree, head: &Head) -> (Checkpoint, Option<(Seq, String)>) {
        let kept = tree::read(&tree.path(FILE))
            .ok()
            .and_then(|b| serde_json::from_slice::<Content>(&b).ok());
        // One of another log, or from a future this log does not have, says nothing.
        let kept = kept
            .filter(|c| c.log_id == head.log_id && c.seq <= head.seq)
            .map(|c| (c.seq, c.digest));
        let reached = kept.clone().unwrap_or((Seq::ZERO, String::new()));
        (
            Checkpoint {
                log_id: head.log_id.clone(),
                reached,
                written: None,
                removed: false,
            },
            kept,
        )
    }

    pub fn reached(&mut self, journal: &Journal) {
        self.reached = (journal.told, journal.digest.clone());
    }

    pub fn keep(&mut self, tree: &Tree, now: Time) -> Result<(), Error> {
        self.removed |= self.written.is_some() && !tree.path(FILE).exists();
        if self.removed || self.written.as_ref() == Some(&self.reached) {
            return Ok(());
        }
        let (seq, digest) = self.reached.clone();
        let content = Content {
            seq,
            digest,
            at: now,
            log_id: self.log_id.clone(),
        };
        tree.write(FILE, &serde_json::to_vec(&content).unwrap_or_default())?;
        self.written = Some(self.reached.clone());
        Ok(())
    }
}
