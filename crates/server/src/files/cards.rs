//! `actions/<state>/<id>.json`: one card per action. Open ones bear their ID, closed ones their occurrence too.

use std::collections::{BTreeMap, BTreeSet};

use stead_core::action::{Action, ActionKey, State};
use stead_core::ids::digest;
use stead_core::time::{Span, Time};
use stead_engine::Handle;

use super::Error;
use super::tree::Tree;
use crate::present::{self, Look};

/// How often it is checked that open cards are where they should be.
const CHECK: Span = Span::secs(10);

/// Cards built at a time.
const AT_ONCE: usize = 200;

/// A card as it should be.
#[derive(Debug)]
pub struct Card {
    pub path: String,
    /// `None`: as it is.
    pub bytes: Option<Vec<u8>>,
    pub open: bool,
}

/// What is in the files now.
#[derive(Debug, Default)]
pub struct Cards {
    /// Path of each card that was written → digest of what it says.
    written: BTreeMap<String, String>,
    checked: Time,
}

/// The name of an action's card. Very long IDs are shortened, with a digest that keeps them apart.
pub fn file_name(action: &Action) -> String {
    let id = action.id();
    let stem = if id.len() <= 200 {
        id
    } else {
        let start: String = id
            .chars()
            .scan(0, |n, c| {
                *n += c.len_utf8();
                (*n <= 180).then_some(c)
            })
            .collect();
        format!("{start}-{}", &digest(id.as_bytes())[..12])
    };
    if action.state.is_open() {
        format!("{stem}.json")
    } else {
        format!("{stem}.{}.json", action.occurrence)
    }
}

fn path(action: &Action) -> String {
    format!("actions/{}/{}", action.state.word(), file_name(action))
}

impl Cards {
    /// The cards that should be there: every open action, and those that ended lately. Built a few at a time, so that
    /// nobody waits for it.
    pub fn wanted(&self, handle: &Handle) -> Vec<Card> {
        let keys: Vec<ActionKey> =
            handle.read(|v| v.world().actions.open.keys().cloned().collect());
        let mut cards = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(AT_ONCE) {
            let now = handle.now();
            handle.read(|v| {
                let look = Look::of(v, now);
                let open = chunk
                    .iter()
                    .filter_map(|key| look.world.actions.open.get(key));
                cards.extend(open.map(|a| Card {
                    path: path(a),
                    open: true,
                    bytes: Some(text(look, a)),
                }));
            });
        }
        let now = handle.now();
        handle.read(|v| {
            let look = Look::of(v, now);
            for action in &look.world.actions.ended {
                let path = path(action);
                // What ended does not change any more.
                let bytes = (!self.wrote(&path)).then(|| text(look, action));
                cards.push(Card {
                    path,
                    open: false,
                    bytes,
                });
            }
        });
        cards
    }

    /// Whether the open cards should be looked at although nothing changed.
    pub fn is_due(&self, now: Time) -> bool {
        now.since(self.checked) >= CHECK
    }

    /// Whether Stead itself put a card there.
    pub fn wrote(&self, path: &str) -> bool {
        self.written.contains_key(path)
    }

    /// The card at `path` is gone or not ours any more.
    pub fn forget(&mut self, path: &str) {
        self.written.remove(path);
        // The true one is put back in this very round.
        self.checked = Time::ZERO;
    }

    /// Puts cards where they should be, and takes away those of actions that moved on.
    pub fn write(&mut self, tree: &Tree, cards: Vec<Card>, now: Time) -> Result<(), Error> {
        self.checked = now;
        let wanted: BTreeSet<&str> = cards.iter().map(|c| c.path.as_str()).collect();
        let mut first = Ok(());
        for card in &cards {
            if let Err(error) = self.put(tree, card) {
                first = first.and(Err(error));
            }
        }
        // Only after the new ones are in place: an action has a card at every moment.
        let open = [State::Pending, State::Approved, State::Running];
        for state in open {
            for name in tree.names(format!("actions/{}", state.word()))? {
                let path = format!("actions/{}/{name}", state.word());
                let explained = name
                    .strip_suffix(".why")
                    .map(|n| format!("actions/{}/{n}", state.word()));
                let keep = wanted.contains(path.as_str())
                    || explained.is_some_and(|card| wanted.contains(card.as_str()))
                    || (!self.wrote(&path) && !name.ends_with(".why") && !is_stale(tree, &path));
                if !keep {
                    tree.remove(&path)?;
                    self.written.remove(&path);
                }
            }
        }
        self.written
            .retain(|path, _| wanted.contains(path.as_str()));
        first
    }

    fn put(&mut self, tree: &Tree, card: &Card) -> Result<(), Error> {
        let Some(bytes) = &card.bytes else {
            return Ok(());
        };
        let now = digest(bytes);
        let same = self.written.get(&card.path) == Some(&now);
        let there = || tree.path(&card.path).symlink_metadata().is_ok();
        // A closed card of an earlier run is there already; an open one that a person took away stays away.
        let settled = same || (!card.open && there());
        if !settled {
            tree.write(&card.path, bytes)?;
        }
        self.written.insert(card.path.clone(), now);
        Ok(())
    }
}

fn text(look: Look<'_>, action: &Action) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(&present::action(look, action)).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A card that an earlier run of Stead left: it says of itself that it is where its state belongs. One that a person
/// moved says another state, and is theirs to be answered.
fn is_stale(tree: &Tree, path: &str) -> bool {
    let folder = path.split('/').nth(1).unwrap_or("");
    let Ok(bytes) = super::tree::read(&tree.path(path)) else {
        return false;
    };
    let said = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    said.is_some_and(|v| v.get("state").and_then(|s| s.as_str()) == Some(folder))
}
