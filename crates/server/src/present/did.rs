//! What Stead did while nobody looked, in one sentence.

use stead_core::action::{Action, Principal, State};
use stead_core::time::Time;
use stead_protocol::api;

use super::{Look, count};

pub(super) fn did(look: Look<'_>, since: Time) -> api::Did {
    let mut did = api::Did {
        since: since.to_string(),
        ..api::Did::default()
    };
    let ended = look.world.actions.ended.iter().rev();
    for action in ended.filter(|a| a.updated_at >= since) {
        match action.state {
            State::Completed if by_itself(action) => did.mended += 1,
            State::Completed => did.done_for_people += 1,
            State::Failed => did.failed += 1,
            State::Cancelled => did.cancelled += 1,
            _ => {}
        }
    }
    let log = look.world.alerts.log.iter();
    let delivered = |m: &&stead_core::alert::Message| {
        m.why.is_empty() && m.ended_at.is_some_and(|at| at >= since)
    };
    did.told = log.filter(delivered).count() as u64;
    did.sentence = sentence(&did);
    did
}

fn by_itself(action: &Action) -> bool {
    action.approved_by == Some(Principal::Policy)
}

fn sentence(did: &api::Did) -> String {
    let mut parts = Vec::new();
    if did.mended > 0 {
        parts.push(format!("mended {} by itself", count(did.mended, "thing")));
    }
    if did.done_for_people > 0 {
        parts.push(format!(
            "did {} that people approved",
            count(did.done_for_people, "thing")
        ));
    }
    if did.failed > 0 {
        parts.push(format!("failed at {}", did.failed));
    }
    if did.told > 0 {
        parts.push(format!("sent {}", count(did.told, "message")));
    }
    match parts.split_last() {
        None => "Stead had nothing to do.".to_string(),
        Some((only, [])) => format!("Stead {only}."),
        Some((last, rest)) => format!("Stead {} and {last}.", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_one_sentence() {
        let quiet = api::Did::default();
        assert_eq!(sentence(&quiet), "Stead had nothing to do.");
        let busy = api::Did {
            mended: 3,
            failed: 1,
            told: 2,
            ..quiet
        };
        assert_eq!(
            sentence(&busy),
            "Stead mended 3 things by itself, failed at 1 and sent 2 messages."
        );
    }
}
