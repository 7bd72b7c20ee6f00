//! What the journal says: which orders ended how, which are open, the highest token and the repairs per target. Pure.
//!
//! Bounds: [`RESULTS`] outcomes, [`TARGETS`] targets, [`COUNTED`] repairs each; orders under way are bounded by who
//! hands them out.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use stead_core::command::{Order, Outcome};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_core::time::Span;
use stead_ports::planted::{self, Bug};

use super::evidence::Evidence;
use crate::clock::Stamp;

/// Outcomes kept to answer a repeated order. The server repeats only what it has not heard the end of.
pub const RESULTS: usize = 512;
/// Targets whose token and repairs are remembered; those not touched for longest go first.
pub const TARGETS: usize = 4096;
/// Automatic repairs counted per target.
pub const COUNTED: usize = 64;
/// Code of what comes from a server that does not lead any more.
pub const STALE_EPOCH: &str = "stale-epoch";
const HOUR: Span = Span::hours(1);

/// What makes an order the same again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub action: String,
    pub occurrence: u32,
    pub step: u32,
    pub attempt: u32,
}

impl Key {
    pub fn of(order: &Order) -> Key {
        let (action, occurrence, step, attempt) = order.key();
        Key {
            action: action.to_owned(),
            occurrence,
            step,
            attempt,
        }
    }
}

/// An order as it was about to be carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub order: Order,
    /// What was there before.
    pub evidence: Evidence,
    pub stamp: Stamp,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    Intent(Box<Intent>),
    Result {
        key: Key,
        outcome: Outcome,
    },
    /// It is certain that the intent had no effect; the order may be carried out if it is given again.
    Void {
        key: Key,
    },
    /// What compaction keeps of a target.
    Target {
        target: Subject,
        token: u64,
        automatic: Vec<Stamp>,
    },
    /// A server led with this epoch: what one before it orders is refused from here on.
    Epoch {
        epoch: u64,
    },
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Target {
    token: u64,
    automatic: VecDeque<Stamp>,
    /// Grows with each use.
    used: u64,
}

/// How an order stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    New,
    /// Begun, and no result yet.
    Open,
    Ended(Outcome),
}

/// What an agent may do at all.
#[derive(Debug, Clone)]
pub struct Rules {
    pub node: NodeName,
    pub read_only: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    ended: BTreeMap<Key, Outcome>,
    /// Keys of `ended`, oldest first.
    order: VecDeque<Key>,
    open: BTreeMap<Key, Intent>,
    targets: BTreeMap<Subject, Target>,
    used: u64,
    epoch: u64,
}

impl Ledger {
    pub fn fold(&mut self, entry: Entry) {
        match entry {
            Entry::Intent(intent) => {
                self.epoch = self.epoch.max(intent.order.epoch);
                let target = self.target(&intent.order.target);
                target.token = target.token.max(intent.order.token);
                if intent.order.automatic {
                    target.automatic.push_back(intent.stamp.clone());
                    if target.automatic.len() > COUNTED {
                        target.automatic.pop_front();
                    }
                }
                self.open.insert(Key::of(&intent.order), *intent);
            }
            Entry::Result { key, outcome } => {
                self.open.remove(&key);
                if self.ended.insert(key.clone(), outcome).is_none() {
                    self.order.push_back(key);
                }
                while self.order.len() > RESULTS {
                    if let Some(oldest) = self.order.pop_front() {
                        self.ended.remove(&oldest);
                    }
                }
            }
            Entry::Void { key } => {
                // What had no effect is no repair either.
                if let Some(intent) = self.open.remove(&key)
                    && let Some(target) = self.targets.get_mut(&intent.order.target)
                {
                    target.automatic.retain(|stamp| *stamp != intent.stamp);
                }
            }
            Entry::Target {
                target,
                token,
                automatic,
            } => {
                let kept = self.target(&target);
                kept.token = kept.token.max(token);
                kept.automatic = automatic.into_iter().collect();
            }
            Entry::Epoch { epoch } => self.epoch = self.epoch.max(epoch),
        }
    }

    /// The highest epoch of a leader seen; 0: no server kept one so far.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether whoever leads with `epoch` may still say what is done here. An agent that knows of a leader takes nothing
    /// from a server that keeps no epoch.
    pub fn heed(&self, epoch: u64) -> Result<(), Refusal> {
        if epoch >= self.epoch || planted::on(Bug::EpochIgnored) {
            return Ok(());
        }
        let why = format!(
            "epoch {epoch} is older than {}, the newest seen: another server leads by now",
            self.epoch
        );
        Err(Refusal {
            code: STALE_EPOCH,
            why,
        })
    }

    /// Remembers a token that was shown for a target, before anything is begun with it.
    pub fn saw(&mut self, target: &Subject, token: u64) {
        let target = self.target(target);
        target.token = target.token.max(token);
    }

    fn target(&mut self, subject: &Subject) -> &mut Target {
        self.used += 1;
        if self.targets.len() >= TARGETS && !self.targets.contains_key(subject) {
            let oldest = self
                .targets
                .iter()
                .min_by_key(|(_, t)| t.used)
                .map(|(s, _)| s.clone());
            oldest.map(|s| self.targets.remove(&s));
        }
        let target = self.targets.entry(subject.clone()).or_default();
        target.used = self.used;
        target
    }

    pub fn standing(&self, key: &Key) -> Standing {
        if planted::on(Bug::JournalForgets) {
            return Standing::New;
        }
        match (self.ended.get(key), self.open.contains_key(key)) {
            (Some(outcome), _) => Standing::Ended(outcome.clone()),
            (None, true) => Standing::Open,
            (None, false) => Standing::New,
        }
    }

    /// Intents without a result.
    pub fn open(&self) -> impl Iterator<Item = &Intent> {
        self.open.values()
    }

    /// Whether `order`, received `held` ago, may be begun now; else how it is refused.
    pub fn admit(
        &self,
        order: &Order,
        rules: &Rules,
        held: Span,
        now: &Stamp,
    ) -> Result<(), Refusal> {
        let refuse = |code, why: String| Err(Refusal { code, why });
        if rules.read_only {
            let why = format!(
                "the agent of {} was started with --read-only; restart it without to let it act",
                rules.node
            );
            return refuse("read-only", why);
        }
        if order.target.node() != Some(&rules.node) {
            let why = format!(
                "{} is not on {}; correct the node's name or alias",
                order.target, rules.node
            );
            return refuse("wrong-target", why);
        }
        let target = self.targets.get(&order.target);
        let highest = target.map_or(0, |t| t.token);
        if order.token < highest {
            let why = format!(
                "token {} is older than {highest}, the newest seen for {}: another holder of the lease took over",
                order.token, order.target
            );
            return refuse("stale-token", why);
        }
        self.leased(order, held)?;
        let lately = target.map_or(0, |t| {
            t.automatic.iter().filter(|s| now.since(s) < HOUR).count()
        });
        let over = order.automatic && lately >= order.per_hour as usize;
        if over && !planted::on(Bug::LimitNotCounted) {
            let why = format!(
                "{lately} automatic repairs of {} in the last hour, {} are allowed: look what keeps breaking it, or approve one by hand",
                order.target, order.per_hour
            );
            return refuse("limit-per-hour", why);
        }
        Ok(())
    }

    /// Whether `order`, received `held` ago, may still begin.
    pub fn leased(&self, order: &Order, held: Span) -> Result<(), Refusal> {
        if held.0 < order.lease_ms || planted::on(Bug::LeaseIgnored) {
            return Ok(());
        }
        let why = format!(
            "its lease of {} ended {held} after the order came, before it could begin",
            Span(order.lease_ms)
        );
        Err(Refusal {
            code: "lease-expired",
            why,
        })
    }

    /// What is worth keeping, as entries that fold to the same again.
    pub fn entries(&self, now: &Stamp) -> Vec<Entry> {
        let mut targets: Vec<_> = self.targets.iter().collect();
        targets.sort_by_key(|(_, t)| t.used);
        // An open intent counts its own repair when it is folded again.
        let is_open = |s: &Stamp| {
            self.open
                .values()
                .any(|i| i.order.automatic && i.stamp == *s)
        };
        let targets = targets.into_iter().map(|(subject, t)| Entry::Target {
            target: subject.clone(),
            token: t.token,
            automatic: t
                .automatic
                .iter()
                .filter(|s| now.since(s) < HOUR && !is_open(s))
                .cloned()
                .collect(),
        });
        let results = self.order.iter().filter_map(|key| {
            let outcome = self.ended.get(key)?.clone();
            Some(Entry::Result {
                key: key.clone(),
                outcome,
            })
        });
        let open = self
            .open
            .values()
            .map(|i| Entry::Intent(Box::new(i.clone())));
        let epoch = (self.epoch > 0).then_some(Entry::Epoch { epoch: self.epoch });
        epoch
            .into_iter()
            .chain(targets)
            .chain(results)
            .chain(open)
            .collect()
    }
}

/// Why an order was not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub why: String,
}

impl Refusal {
    /// Whether the same order must get the same answer from now on. The others say nothing about the order itself:
    /// under a newer token, or once the agent may act, it can be carried out.
    pub fn is_final(&self) -> bool {
        matches!(self.code, "limit-per-hour" | "lease-expired")
    }

    pub fn outcome(&self) -> Outcome {
        Outcome::Refused {
            code: self.code.into(),
            why: self.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stead_core::command::Command;
    use stead_core::time::Time;

    fn stamp(up: u64) -> Stamp {
        Stamp {
            at: Time(0),
            boot: "b".into(),
            up,
        }
    }
    fn rules() -> Rules {
        Rules {
            node: "piha".parse().expect("name"),
            read_only: false,
        }
    }
    fn order(n: u32, token: u64) -> Order {
        Order {
            action: "container-restart-piha-web".into(),
            occurrence: n,
            step: 0,
            attempt: 1,
            token,
            epoch: 0,
            lease_ms: 90_000,
            timeout_ms: 60_000,
            target: "service/piha/web".parse().expect("subject"),
            automatic: true,
            per_hour: 3,
            command: Command::DiskCleanup {
                build_cache: true,
                dangling_images: true,
            },
        }
    }
    fn intent(order: Order, up: u64) -> Entry {
        Entry::Intent(Box::new(Intent {
            order,
            evidence: Evidence::default(),
            stamp: stamp(up),
        }))
    }
    fn done(order: &Order) -> Entry {
        Entry::Result {
            key: Key::of(order),
            outcome: Outcome::Done {
                output: "ok".into(),
                freed: None,
            },
        }
    }
    fn code(ledger: &Ledger, order: &Order, held: u64, up: u64) -> Result<(), &'static str> {
        ledger
            .heed(order.epoch)
            .and_then(|()| ledger.admit(order, &rules(), Span(held), &stamp(up)))
            .map_err(|r| r.code)
    }

    #[test]
    fn a_token_below_the_highest_is_refused_and_an_equal_one_is_not() {
        let mut ledger = Ledger::default();
        ledger.fold(intent(order(1, 10), 0));
        assert_eq!(code(&ledger, &order(2, 9), 0, 1), Err("stale-token"));
        assert_eq!(code(&ledger, &order(2, 10), 0, 1), Ok(()));
        ledger.saw(&order(1, 0).target, 12);
        assert_eq!(code(&ledger, &order(2, 11), 0, 1), Err("stale-token"));
    }

    #[test]
    fn an_epoch_below_the_highest_is_refused_for_a_target_it_never_touched_as_well() {
        let with = |epoch| Order {
            epoch,
            ..order(1, 1)
        };
        let mut ledger = Ledger::default();
        assert_eq!(code(&ledger, &with(0), 0, 0), Ok(()), "nobody keeps one");
        ledger.fold(Entry::Epoch { epoch: 7 });
        ledger.fold(Entry::Epoch { epoch: 5 });
        assert_eq!(code(&ledger, &with(6), 0, 0), Err(STALE_EPOCH));
        assert_eq!(code(&ledger, &with(0), 0, 0), Err(STALE_EPOCH));
        assert_eq!(code(&ledger, &with(7), 0, 0), Ok(()));
        ledger.fold(intent(with(9), 0));
        let mut other = with(8);
        other.target = "service/piha/db".parse().expect("subject");
        assert_eq!(code(&ledger, &other, 0, 0), Err(STALE_EPOCH));
    }

    #[test]
    fn a_lease_that_ended_while_the_agent_was_stopped_is_refused() {
        assert_eq!(code(&Ledger::default(), &order(1, 1), 89_999, 0), Ok(()));
        assert_eq!(
            code(&Ledger::default(), &order(1, 1), 90_000, 0),
            Err("lease-expired")
        );
    }

    #[test]
    fn three_automatic_repairs_an_hour_and_a_person_may_do_more() {
        let mut ledger = Ledger::default();
        for n in 1..=3 {
            assert_eq!(code(&ledger, &order(n, 1), 0, u64::from(n)), Ok(()));
            ledger.fold(intent(order(n, 1), u64::from(n)));
            ledger.fold(done(&order(n, 1)));
        }
        assert_eq!(code(&ledger, &order(4, 1), 0, 10), Err("limit-per-hour"));
        assert_eq!(
            code(
                &ledger,
                &Order {
                    automatic: false,
                    ..order(4, 1)
                },
                0,
                10
            ),
            Ok(())
        );
        assert_eq!(
            code(&ledger, &order(4, 1), 0, 3_600_001),
            Ok(()),
            "an hour later"
        );
        let mut other = order(4, 1);
        other.target = "service/piha/db".parse().expect("subject");
        assert_eq!(
            code(&ledger, &other, 0, 10),
            Ok(()),
            "each target has its own count"
        );
    }

    #[test]
    fn what_had_no_effect_counts_as_no_repair_and_may_be_ordered_again() {
        let mut ledger = Ledger::default();
        ledger.fold(intent(order(1, 1), 5));
        assert_eq!(ledger.standing(&Key::of(&order(1, 1))), Standing::Open);
        ledger.fold(Entry::Void {
            key: Key::of(&order(1, 1)),
        });
        assert_eq!(ledger.standing(&Key::of(&order(1, 1))), Standing::New);
        let only = Order {
            per_hour: 1,
            ..order(1, 1)
        };
        assert_eq!(code(&ledger, &only, 0, 6), Ok(()));
    }

    #[test]
    fn another_nodes_target_and_a_read_only_agent_refuse() {
        let mut other = order(1, 1);
        other.target = "service/other/web".parse().expect("subject");
        assert_eq!(code(&Ledger::default(), &other, 0, 0), Err("wrong-target"));
        other.target = Subject::Fleet;
        assert_eq!(code(&Ledger::default(), &other, 0, 0), Err("wrong-target"));
        let rules = Rules {
            read_only: true,
            ..rules()
        };
        let refused = Ledger::default()
            .admit(&order(1, 1), &rules, Span::ZERO, &stamp(0))
            .expect_err("read-only");
        assert_eq!(refused.code, "read-only");
    }

    #[test]
    fn outcomes_are_bounded_and_the_oldest_go_first() {
        let mut ledger = Ledger::default();
        for n in 0..=RESULTS as u32 {
            ledger.fold(done(&order(n, 1)));
        }
        assert_eq!(ledger.standing(&Key::of(&order(0, 1))), Standing::New);
        assert!(matches!(
            ledger.standing(&Key::of(&order(1, 1))),
            Standing::Ended(_)
        ));
        assert_eq!(ledger.order.len(), ledger.ended.len());
    }

    proptest! {
        #[test]
        fn compaction_changes_no_answer(ops in prop::collection::vec((0u32..6, 0u64..9, 0u8..5, 0u64..4_000_000), 0..60)) {
            let mut ledger = Ledger::default();
            let mut up = 0;
            for (n, token, what, pass) in ops {
                up += pass / 10;
                let order = order(n, token);
                let known = ledger.standing(&Key::of(&order));
                match (what, known) {
                    (0 | 1, Standing::New) => ledger.fold(intent(order, up)),
                    (2, Standing::Open) => ledger.fold(done(&order)),
                    (3, Standing::Open) => ledger.fold(Entry::Void { key: Key::of(&order) }),
                    (4, _) => ledger.fold(Entry::Epoch { epoch: token }),
                    _ => {}
                }
            }
            let now = stamp(up);
            let mut again = Ledger::default();
            for entry in ledger.entries(&now) {
                let text = serde_json::to_vec(&entry).expect("json");
                again.fold(serde_json::from_slice(&text).expect("read back"));
            }
            for n in 0..6 {
                for token in 0..10 {
                    let order = Order { epoch: token, ..order(n, token) };
                    prop_assert_eq!(ledger.standing(&Key::of(&order)), again.standing(&Key::of(&order)));
                    prop_assert_eq!(code(&ledger, &order, 0, up), code(&again, &order, 0, up));
                }
            }
        }
    }
}
