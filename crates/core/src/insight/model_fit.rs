//! What loading a language model would leave free on a node, and which node fits it better.
//!
//! A model that was measured in memory needs what it took. For any other:
//!
//! ```text
//! need = size on disk × 1.2 + 512 MiB       weights; context and working space on top
//! ```
//!
//! Ollama's own published sizes lie at or below it for usual contexts (4 GB on disk: 5.1 GB loaded, 5.5 GB by the formula);
//! a very long context takes more, which is why an answer is never more than "likely".
//!
//! Video memory is taken first, as far as it is known to be free; the rest is taken from what the kernel calls available.
//! A processor whose memory the kernel does not show is counted as if it held nothing: what is left is then *at least* that.
//! Nothing here loads, and nothing here refuses to: the owner reads this and decides.

use alloc::format;
use alloc::string::{String, ToString};
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};

use super::amount::{GIB, MIB, bytes};
use crate::facts::LoadedModel;

/// Left free, below which a node comes under pressure: this, or a tenth of its memory where that is more.
const SPARE: u64 = 2 * GIB;
/// Another node is only worth naming if it leaves so much more.
const WORTH: i64 = GIB as i64;

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Bytes on disk.
    pub disk: u64,
    /// What it took when it was last seen in memory, here or elsewhere.
    pub measured: Option<LoadedModel>,
}

impl Need {
    /// Bytes in all.
    pub fn total(self) -> u64 {
        match self.measured {
            Some(measured) if measured.size > 0 => measured.size,
            _ => self
                .disk
                .saturating_add(self.disk / 5)
                .saturating_add(512 * MIB),
        }
    }
}

/// A node's room for one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of memory, and how many of them programs could still get.
    pub total: u64,
    pub available: u64,
    pub gpu: bool,
    /// Free bytes of video memory; `None`: no processor, or one that does not say.
    pub vram_free: Option<u64>,
    /// The model is in memory here.
    pub loaded: bool,
}

/// What would become of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    pub verdict: Verdict,
    pub speed: Speed,
    /// Bytes it needs in all, in the machine's own memory, and in video memory.
    pub need: u64,
    pub ram: u64,
    pub vram: u64,
    /// Bytes of memory left available; negative: so much is missing.
    pub leaves: i64,
    /// It may be more: a processor does not show its memory.
    pub at_least: bool,
}

/// From worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    TooLarge,
    Tight,
    Fits,
    /// It is in memory already: nothing more is taken.
    Loaded,
}

/// From slowest to fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    Cpu,
    /// There is a processor, and it is not known or not so that all of the model fits in its memory.
    Shared,
    Gpu,
}

/// What loading it would do.
pub fn fit(need: Need, room: Room) -> Fit {
    let total = need.total();
    let vram = total.min(room.vram_free.unwrap_or(0));
    let ram = if room.loaded { 0 } else { total - vram };
    let leaves = signed(room.available).saturating_sub(signed(ram));
    let verdict = if room.loaded {
        Verdict::Loaded
    } else if leaves < 0 {
        Verdict::TooLarge
    } else if leaves < signed(SPARE.max(room.total / 10)) {
        Verdict::Tight
    } else {
        Verdict::Fits
    };
    let speed = match (room.gpu, room.vram_free) {
        (false, _) => Speed::Cpu,
        (true, Some(free)) if room.loaded || free >= total => Speed::Gpu,
        (true, _) => Speed::Shared,
    };
    Fit {
        verdict,
        speed,
        need: total,
        ram,
        vram,
        leaves,
        at_least: room.gpu && room.vram_free.is_none() && !room.loaded,
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Fit {
    /// For people: `leaves 1.2 GiB: swap pressure likely`.
    pub fn text(&self) -> String {
        let size = bytes(self.leaves.unsigned_abs());
        let least = if self.at_least { "at least " } else { "" };
        match self.verdict {
            Verdict::Loaded => "it is in memory already".to_string(),
            Verdict::Fits => format!("leaves {least}{size} free"),
            Verdict::Tight => format!("leaves {least}{size}: swap pressure likely"),
            Verdict::TooLarge if self.at_least => {
                format!("{size} short, unless video memory holds the rest")
            }
            Verdict::TooLarge => format!("{size} short: it will not fit"),
        }
    }

    /// What computes it, for people.
    pub fn speed_text(&self) -> &'static str {
        match self.speed {
            Speed::Gpu => "all of it in video memory",
            Speed::Shared => "the graphics processor computes what fits in its memory",
            Speed::Cpu => "no graphics processor: inference will be slow",
        }
    }

    fn class(&self) -> (Verdict, Speed) {
        (self.verdict, self.speed)
    }
}

/// From worse to better: whether it fits, what computes it, what is left.
pub fn compare(a: &Fit, b: &Fit) -> Ordering {
    a.class().cmp(&b.class()).then(a.leaves.cmp(&b.leaves))
}

/// Which of `others` fits better than `here`, and why. Of equals the first; `None`: here is as good as any.
pub fn better<'a, N>(here: &Fit, others: &'a [(N, Fit)]) -> Option<(&'a N, String)> {
    let mut best: Option<&(N, Fit)> = None;
    for other in others {
        if best.is_none_or(|best| compare(&other.1, &best.1).is_gt()) {
            best = Some(other);
        }
    }
    let (node, fit) = best?;
    let roomier = here.verdict < Verdict::Fits
        && fit.class() == here.class()
        && fit.leaves.saturating_sub(here.leaves) >= WORTH;
    if !roomier && fit.class() <= here.class() {
        return None;
    }
    let speed = if fit.speed > here.speed {
        format!(", {}", fit.speed_text())
    } else {
        String::new()
    };
    Some((node, format!("{}{speed}", fit.text())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn need(disk: u64) -> Need {
        Need {
            disk,
            measured: None,
        }
    }

    fn room(total: u64, available: u64) -> Room {
        Room {
            total: total * GIB,
            available: available * GIB,
            ..Room::default()
        }
    }

    #[test]
    fn the_formula_is_weights_and_a_fifth_and_half_a_gibibyte() {
        assert_eq!(need(5 * GIB).total(), 6 * GIB + 512 * MIB);
        // Published: 4,109,865,159 bytes on disk, 5,137,025,024 in memory.
        let mistral = need(4_109_865_159).total();
        assert!((5_137_025_024..5_137_025_024 + GIB).contains(&mistral));
        let measured = LoadedModel {
            size: 7 * GIB,
            vram: GIB,
            context: 4096,
        };
        let seen = Need {
            disk: GIB,
            measured: Some(measured),
        };
        assert_eq!(seen.total(), 7 * GIB, "what was measured is no guess");
    }

    #[test]
    fn what_is_left_is_judged_at_its_bounds() {
        // 5 GiB on disk need 6.5 GiB.
        let fits = |available| {
            fit(
                need(5 * GIB),
                Room {
                    available,
                    ..room(16, 0)
                },
            )
        };
        let need = 6 * GIB + 512 * MIB;
        assert_eq!(fits(need + 2 * GIB).verdict, Verdict::Fits);
        assert_eq!(fits(need + 2 * GIB - 1).verdict, Verdict::Tight);
        assert_eq!(fits(need).verdict, Verdict::Tight);
        assert_eq!(fits(need - 1).verdict, Verdict::TooLarge);
        let text = |available| fits(available).text();
        assert_eq!(
            text(need + GIB + 200 * MIB),
            "leaves 1.2 GiB: swap pressure likely"
        );
        assert_eq!(text(need + 4 * GIB), "leaves 4 GiB free");
        assert_eq!(text(need - 3 * GIB), "3 GiB short: it will not fit");
        // A tenth of a large machine is more than two.
        let large = fit(super::tests::need(5 * GIB), room(64, 12));
        assert_eq!(large.verdict, Verdict::Tight);
    }

    #[test]
    fn video_memory_is_taken_first_and_never_imagined() {
        let with = |vram_free| Room {
            gpu: true,
            vram_free,
            ..room(16, 8)
        };
        let all = fit(need(5 * GIB), with(Some(8 * GIB)));
        assert_eq!(
            (all.ram, all.speed, all.leaves),
            (0, Speed::Gpu, 8 * GIB as i64)
        );
        let part = fit(need(5 * GIB), with(Some(4 * GIB)));
        assert_eq!((part.vram, part.ram), (4 * GIB, 2 * GIB + 512 * MIB));
        assert_eq!(part.speed, Speed::Shared);
        let unknown = fit(need(5 * GIB), with(None));
        assert_eq!((unknown.vram, unknown.at_least), (0, true));
        assert_eq!(
            unknown.text(),
            "leaves at least 1.5 GiB: swap pressure likely"
        );
        let none = fit(need(5 * GIB), room(16, 8));
        assert_eq!(
            none.speed_text(),
            "no graphics processor: inference will be slow"
        );
        let loaded = fit(
            need(5 * GIB),
            Room {
                loaded: true,
                ..room(16, 1)
            },
        );
        assert_eq!(
            (loaded.verdict, loaded.leaves),
            (Verdict::Loaded, GIB as i64)
        );
    }

    #[test]
    fn another_node_is_named_only_where_it_is_worth_it() {
        let here = fit(need(5 * GIB), room(16, 7));
        let roomy = fit(need(5 * GIB), room(32, 20));
        let others = [("a", here), ("b", roomy)];
        let (node, why) = better(&here, &others).expect("b");
        assert_eq!((*node, why.as_str()), ("b", "leaves 13.5 GiB free"));
        assert_eq!(better(&roomy, &[("a", here)]), None);
        assert_eq!(better::<&str>(&here, &[]), None);
        let gpu = Room {
            gpu: true,
            vram_free: Some(8 * GIB),
            ..room(32, 20)
        };
        let others = [("c", fit(need(5 * GIB), gpu))];
        let (_, why) = better(&roomy, &others).expect("c");
        assert_eq!(why, "leaves 20 GiB free, all of it in video memory");
        // Both are tight: it takes a gibibyte more to be worth a word.
        let with = |available| {
            let room = Room {
                available,
                ..room(16, 0)
            };
            fit(need(5 * GIB), room)
        };
        let tight = with(7 * GIB);
        assert_eq!(better(&tight, &[("d", with(8 * GIB - 1))]), None);
        let (node, _) =
            better(&tight, &[("d", with(8 * GIB))]).map_or(("", String::new()), |(n, w)| (*n, w));
        assert_eq!(node, "d");
    }

    prop_compose! {
        fn rooms()(total in 1u64..512, share in 0u64..=100, gpu: bool, vram in proptest::option::of(0u64..96), loaded: bool)
            -> Room {
            Room {
                total: total * GIB,
                available: total * GIB * share / 100,
                gpu,
                vram_free: vram.filter(|_| gpu).map(|v| v * GIB),
                loaded,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_it_needs_and_nothing_is_left_over_or_lost(disk in 0u64..1u64 << 42, room in rooms()) {
            let found = fit(need(disk), room);
            if room.loaded {
                prop_assert_eq!(found.leaves, room.available as i64);
            } else {
                prop_assert_eq!(found.ram + found.vram, found.need);
                prop_assert_eq!(found.leaves + found.ram as i64, room.available as i64);
            }
            prop_assert!(found.vram <= room.vram_free.unwrap_or(0));
        }

        #[test]
        fn a_larger_model_never_fits_better(disk in 0u64..1u64 << 40, more in 0u64..1u64 << 40, room in rooms()) {
            let (small, large) = (fit(need(disk), room), fit(need(disk + more), room));
            prop_assert!(large.verdict <= small.verdict);
            prop_assert!(large.leaves <= small.leaves);
            prop_assert!(compare(&large, &small).is_le());
        }

        #[test]
        fn who_is_named_is_better_and_nobody_else_is_better_still(disk in 1u64..1u64 << 38, here in rooms(), others in
            proptest::collection::vec(rooms(), 0..8)) {
            let here = fit(need(disk), here);
            let others: Vec<(usize, Fit)> =
                others.iter().map(|r| fit(need(disk), *r)).enumerate().collect();
            if let Some((named, _)) = better(&here, &others) {
                let fit = others[*named].1;
                prop_assert!(compare(&fit, &here).is_gt());
                prop_assert!(others.iter().all(|(_, other)| compare(other, &fit).is_le()));
            }
        }
    }
}
