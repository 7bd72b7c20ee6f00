//! A card moved from `pending/` to `approved/` or `rejected/` decides, as principal `files`.
//!
//! A moved card says of itself that it is pending, with the digest of the plan that was read and the occurrence: an old
//! one decides nothing. What is refused goes back with the reason beside it.

use std::collections::BTreeMap;

use serde::Deserialize;
use stead_core::action::{Principal, State};
use stead_core::controller::{Command, Refusal};
use stead_engine::{Error as EngineError, Handle};

use super::Error;
use super::cards::{Cards, file_name};
use super::tree::{self, Tree, Unreadable};

/// What of a card matters to a decision. A card written by hand may say less.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct Moved {
    occurrence: Option<u32>,
    state: Option<String>,
    digest: Option<String>,
    note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Approve,
    Reject,
}

impl Verdict {
    fn folder(self) -> &'static str {
        match self {
            Verdict::Approve => "actions/approved",
            Verdict::Reject => "actions/rejected",
        }
    }
}

/// A pending action: ID and occurrence, by the name of its card.
type Pending = BTreeMap<String, (String, u32)>;

/// Looks for moved cards and hands in what they decide.
pub async fn look(handle: &Handle, tree: &Tree, cards: &mut Cards) -> Result<(), Error> {
    let pending: Pending = handle.read(|v| {
        let open = v
            .world()
            .actions
            .open
            .values()
            .filter(|a| a.state == State::Pending);
        open.map(|a| (file_name(a), (a.id(), a.occurrence)))
            .collect()
    });
    for verdict in [Verdict::Approve, Verdict::Reject] {
        for name in candidates(tree, verdict, &pending)? {
            let path = format!("{}/{name}", verdict.folder());
            if cards.wrote(&path) {
                continue;
            }
            one(handle, tree, cards, verdict, &name, pending.get(&name)).await?;
        }
    }
    Ok(())
}

/// Approved ones are few and all looked at; among the rejected only the names of pending actions are looked for, for
/// that folder keeps what was ever rejected.
fn candidates(tree: &Tree, verdict: Verdict, pending: &Pending) -> Result<Vec<String>, Error> {
    match verdict {
        Verdict::Approve => {
            let names = tree.names(verdict.folder())?;
            Ok(names.into_iter().filter(|n| n.ends_with(".json")).collect())
        }
        Verdict::Reject => {
            let there = |n: &&String| {
                tree.path(verdict.folder())
                    .join(n)
                    .symlink_metadata()
                    .is_ok()
            };
            Ok(pending.keys().filter(there).cloned().collect())
        }
    }
}

async fn one(
    handle: &Handle,
    tree: &Tree,
    cards: &mut Cards,
    verdict: Verdict,
    name: &str,
    action: Option<&(String, u32)>,
) -> Result<(), Error> {
    let path = format!("{}/{name}", verdict.folder());
    let moved = match read(tree, &path) {
        Ok(Some(moved)) => moved,
        Ok(None) => return Ok(()),
        Err(refusal) => return refuse(tree, cards, &path, name, action.is_some(), &refusal),
    };
    // A card of an earlier run that was approved then: no decision of now.
    let from_pending = moved
        .state
        .as_deref()
        .is_none_or(|state| state == State::Pending.word());
    if !from_pending {
        return Ok(());
    }
    let command = match action {
        None => Err(Refusal {
            code: "not-pending",
            detail: format!("no action waits for a decision under the name {name}"),
            remedy: "move only cards that lie in actions/pending".to_string(),
        }),
        Some((id, occurrence)) => command(verdict, id, *occurrence, moved),
    };
    let command = match command {
        Ok(command) => command,
        Err(refusal) => return refuse(tree, cards, &path, name, action.is_some(), &refusal),
    };
    match handle.command(command).await {
        Ok(_) => {
            // From here on it is Stead's card: the next write brings it up to date or takes it away.
            tree.remove(&path)?;
            tree.remove(format!("actions/pending/{name}.why"))?;
            cards.forget(&format!("actions/pending/{name}"));
            Ok(())
        }
        Err(EngineError::Refused(refusal)) => refuse(tree, cards, &path, name, true, &refusal),
        // Not decided: it stays where it is and is read again.
        Err(EngineError::Storage(_) | EngineError::Stopped) => Ok(()),
    }
}

/// `None`: nothing is there any more.
fn read(tree: &Tree, path: &str) -> Result<Option<Moved>, Refusal> {
    let bad = |detail: String| Refusal {
        code: "bad-card",
        detail,
        remedy: "move the card itself, as it lies in actions/pending".to_string(),
    };
    match tree::read(&tree.path(path)) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Some(Moved::default())),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| bad(format!("{path} is no card: {e}"))),
        Err(Unreadable::Gone) => Ok(None),
        Err(Unreadable::NotRegular(what)) => Err(bad(format!(
            "{path} is {what}, and only regular files are read"
        ))),
        Err(Unreadable::TooLarge(size)) => {
            Err(bad(format!("{path} has {size} bytes, that is no card")))
        }
        Err(Unreadable::Io(error)) => Err(bad(format!("{path} cannot be read: {error}"))),
    }
}

fn command(verdict: Verdict, id: &str, occurrence: u32, moved: Moved) -> Result<Command, Refusal> {
    if moved.occurrence.is_some_and(|said| said != occurrence) {
        return Err(Refusal {
            code: "plan-changed",
            detail: format!("the card is of an earlier time that {id} was raised"),
            remedy: "read the card in actions/pending, then move that one".to_string(),
        });
    }
    let id = format!("{id}#{occurrence}");
    let (by, note) = (
        Principal::Files,
        moved.note.filter(|n| !n.trim().is_empty()),
    );
    Ok(match verdict {
        Verdict::Approve => Command::Approve {
            id,
            digest: moved.digest,
            by,
            note,
        },
        Verdict::Reject => {
            // A rejection holds for the trouble, not for one plan.
            Command::Reject { id, by, note }
        }
    })
}

/// Puts it back: the true card comes into `pending/` again, with the reason beside it. One of no pending action goes
/// to `inbox/refused`.
fn refuse(
    tree: &Tree,
    cards: &mut Cards,
    path: &str,
    name: &str,
    is_pending: bool,
    refusal: &Refusal,
) -> Result<(), Error> {
    let why = super::why::explain(path, refusal.code, "", &refusal.detail, &refusal.remedy);
    if is_pending {
        // What was moved is a copy of a card that Stead writes anew; whatever else it was is removed unread.
        let dropped = tree.move_into(&tree.path(path), "inbox/refused", name)?;
        tree.write(format!("inbox/refused/{dropped}.why"), why.as_bytes())?;
        cards.forget(&format!("actions/pending/{name}"));
        return tree.write(format!("actions/pending/{name}.why"), why.as_bytes());
    }
    let name = tree.move_into(&tree.path(path), "inbox/refused", name)?;
    tree.write(format!("inbox/refused/{name}.why"), why.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_decides_about_its_own_occurrence_and_plan_only() {
        let moved = Moved {
            occurrence: Some(2),
            digest: Some("d".into()),
            ..Moved::default()
        };
        let refused = command(Verdict::Approve, "redeploy-a-b", 3, moved).unwrap_err();
        assert_eq!(refused.code, "plan-changed");
        let moved = Moved {
            occurrence: Some(3),
            digest: Some("d".into()),
            ..Moved::default()
        };
        let Ok(Command::Approve { id, digest, by, .. }) =
            command(Verdict::Approve, "redeploy-a-b", 3, moved)
        else {
            panic!("an approval");
        };
        assert_eq!(
            (id.as_str(), digest.as_deref(), by),
            ("redeploy-a-b#3", Some("d"), Principal::Files)
        );
    }
}
