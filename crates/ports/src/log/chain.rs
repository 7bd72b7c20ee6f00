//! Whether a log is whole: the rules every engine's `verify`, `open` and `read` go by, as one pure fold over frames.
//!
//! Above the last compaction records follow each other without a gap, each naming the checksum of the one before, and
//! the last one is the head. Below it only kept records remain; they are counted and summed, so that a lost or an
//! exchanged one is found there too.

use stead_core::ids::Seq;

use super::Error;
use super::frame::{Frame, GENESIS};

/// The last record and its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    pub seq: Seq,
    pub crc: u32,
}

impl Tip {
    /// Of an empty log.
    pub const EMPTY: Tip = Tip {
        seq: Seq::ZERO,
        crc: GENESIS,
    };
}

/// What compaction left: where the gapless part starts, and what is kept below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// The chain goes on from here; the record itself may be gone.
    pub to: Tip,
    /// Records kept up to `to`.
    pub kept: u64,
    /// Sum of their [`weight`]s.
    pub sum: u64,
}

impl Pruned {
    pub const NOTHING: Pruned = Pruned {
        to: Tip::EMPTY,
        kept: 0,
        sum: 0,
    };

    /// The state after a walk over `frame` that keeps or drops it. Frames come in order, and none is left out.
    #[must_use]
    pub fn step(mut self, frame: &Frame<'_>, keep: bool) -> Pruned {
        let was_kept = frame.view.seq <= self.to.seq;
        match (was_kept, keep) {
            (true, false) => {
                self.kept = self.kept.wrapping_sub(1);
                self.sum = self.sum.wrapping_sub(weight(frame));
            }
            (false, true) => {
                self.kept += 1;
                self.sum = self.sum.wrapping_add(weight(frame));
            }
            _ => {}
        }
        if !was_kept {
            self.to = Tip {
                seq: frame.view.seq,
                crc: frame.crc,
            };
        }
        self
    }
}

/// What one kept record adds to the sum: its place and its checksum, mixed so that two changes do not cancel out.
pub fn weight(frame: &Frame<'_>) -> u64 {
    let mixed =
        (frame.view.seq.0 ^ (u64::from(frame.crc) << 32)).wrapping_add(u64::from(frame.crc));
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Follows the chain from any point on.
#[derive(Debug, Clone)]
pub struct Chain {
    pruned: Pruned,
    /// The record before the next one; `None` at the start of a walk from the middle.
    last: Option<Tip>,
    kept: u64,
    sum: u64,
    seen: u64,
}

impl Chain {
    /// From the first record kept.
    pub fn from_start(pruned: Pruned) -> Chain {
        Chain {
            pruned,
            last: Some(Tip::EMPTY),
            kept: 0,
            sum: 0,
            seen: 0,
        }
    }

    /// From a record somewhere in the log, whose predecessor is not looked at.
    pub fn from_middle(pruned: Pruned) -> Chain {
        Chain {
            last: None,
            ..Chain::from_start(pruned)
        }
    }

    /// Takes the next frame, which must follow what was seen.
    pub fn push(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        let seq = frame.view.seq;
        let damaged = |why: &str| {
            Err(Error::Corrupt {
                seq,
                why: why.to_owned(),
            })
        };
        let below = seq <= self.pruned.to.seq;
        if below {
            self.kept += 1;
            self.sum = self.sum.wrapping_add(weight(frame));
        }
        let before = match self.last {
            Some(last) if !below && last.seq < self.pruned.to.seq => Some(self.pruned.to),
            None if seq == self.pruned.to.seq.next() => Some(self.pruned.to),
            other => other,
        };
        if let Some(before) = before {
            if seq <= before.seq {
                return damaged("it stands where a later record belongs");
            }
            if seq != before.seq.next() && !below {
                return Err(Error::Corrupt {
                    seq: before.seq.next(),
                    why: "it is missing".to_owned(),
                });
            }
            if seq == before.seq.next() && frame.prev != before.crc {
                return damaged("it does not follow the record before it");
            }
        }
        self.last = Some(Tip {
            seq,
            crc: frame.crc,
        });
        self.seen += 1;
        Ok(())
    }

    /// After the last frame: whether the log ends at `head` and, when `whole`, nothing kept is missing.
    pub fn finish(&self, head: Tip, whole: bool) -> Result<u64, Error> {
        let last = match self.last {
            Some(last) if last.seq >= self.pruned.to.seq => last,
            _ => self.pruned.to,
        };
        if last != head {
            let (seq, why) = if last.seq < head.seq {
                (last.seq.next(), "it and what follows are missing")
            } else if last.seq > head.seq {
                (
                    head.seq.next(),
                    "it lies behind the recorded end of the log",
                )
            } else {
                (head.seq, "it is not the record the log ends with")
            };
            return Err(Error::Corrupt {
                seq,
                why: why.to_owned(),
            });
        }
        if whole && (self.kept, self.sum) != (self.pruned.kept, self.pruned.sum) {
            return Err(Error::Corrupt {
                seq: self.pruned.to.seq,
                why: format!(
                    "{} records should have been kept up to here, {} intact ones are found",
                    self.pruned.kept, self.kept
                ),
            });
        }
        Ok(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frames, encode};
    use super::*;
    use crate::log::conformance::sample;

    fn frames(n: u64) -> (Vec<Vec<u8>>, Tip) {
        let mut tip = Tip::EMPTY;
        let mut all = Vec::new();
        for seq in 1..=n {
            let mut bytes = Vec::new();
            tip = Tip {
                seq: Seq(seq),
                crc: encode(tip.crc, &sample(seq), &mut bytes),
            };
            all.push(bytes);
        }
        (all, tip)
    }

    fn audit<'a>(
        pruned: Pruned,
        head: Tip,
        frames: impl IntoIterator<Item = &'a Vec<u8>>,
    ) -> Result<u64, Error> {
        let mut chain = Chain::from_start(pruned);
        for bytes in frames {
            chain.push(&Frames::new(bytes).next().unwrap().unwrap())?;
        }
        chain.finish(head, true)
    }

    #[test]
    fn a_whole_log_passes_and_each_missing_or_moved_record_is_found() {
        let (all, head) = frames(6);
        assert_eq!(audit(Pruned::NOTHING, head, &all).unwrap(), 6);
        for gone in 0..6 {
            let mut less = all.clone();
            less.remove(gone);
            let error = audit(Pruned::NOTHING, head, &less).unwrap_err();
            assert!(
                matches!(error, Error::Corrupt { seq, .. } if seq == Seq(gone as u64 + 1)),
                "{error}"
            );
        }
        let mut swapped = all.clone();
        swapped.swap(2, 3);
        assert!(audit(Pruned::NOTHING, head, &swapped).is_err());
    }

    #[test]
    fn after_compaction_the_kept_ones_and_the_rest_still_hang_together() {
        let (all, head) = frames(8);
        let mut pruned = Pruned::NOTHING;
        let mut left = Vec::new();
        for (i, bytes) in all.iter().enumerate() {
            let keep = i % 2 == 1;
            if i < 5 {
                pruned = pruned.step(&Frames::new(bytes).next().unwrap().unwrap(), keep);
            }
            if keep || i >= 5 {
                left.push(bytes.clone());
            }
        }
        assert_eq!(audit(pruned, head, &left).unwrap(), 5);
        for gone in 0..left.len() {
            let mut less = left.clone();
            less.remove(gone);
            assert!(audit(pruned, head, &less).is_err(), "{gone}");
        }
        // A second compaction drops what the first one kept.
        for bytes in &left {
            let frame = Frames::new(bytes).next().unwrap().unwrap();
            pruned = pruned.step(&frame, false);
        }
        assert_eq!(audit(pruned, head, &[]).unwrap(), 0);
    }
}
