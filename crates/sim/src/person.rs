//! People: they look at what is open, decide, change their minds, start things, edit files, and other programs report.

use std::sync::Arc;
use std::time::Duration;

use stead_core::action::{Action, Principal, State};
use stead_core::controller::{Command, ForeignEvent, Reply};
use stead_core::event::{Kind, Source};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};

use crate::plan::moves::Deed;
use crate::server::Server;
use crate::truth::Truth;

fn anna() -> Principal {
    Principal::User("anna".to_string())
}

/// Does it, in its own time. What a person waits for does not hold up anybody else.
pub fn act(deed: &Deed, server: &Server, truth: &Truth) {
    let (server, truth, deed) = (server.clone(), truth.clone(), deed.clone());
    tokio::spawn(async move {
        match deed {
            Deed::Approve { pick, blind, late } => {
                approve(&server, &truth, pick, blind, late).await;
            }
            Deed::Reject { pick } => {
                let Some((id, _)) = choose(&server, pick, &[State::Pending]) else {
                    return;
                };
                let reject = Command::Reject {
                    id,
                    by: anna(),
                    note: None,
                };
                decide(&server, &truth, reject, "rejected").await;
            }
            Deed::Cancel { pick } => {
                let Some((id, _)) = choose(&server, pick, &[State::Pending, State::Approved])
                else {
                    return;
                };
                let cancel = Command::Cancel { id, by: anna() };
                decide(&server, &truth, cancel, "cancelled").await;
            }
            Deed::Start { kind, subject } => {
                let start = Command::Start {
                    kind,
                    subject,
                    by: anna(),
                    note: None,
                };
                decide(&server, &truth, start, "started").await;
            }
            Deed::Report {
                subject,
                kind,
                twice,
            } => report(&server, &truth, &subject, kind, twice).await,
            Deed::Lock {
                target,
                lock,
                length,
                heartbeat,
            } => {
                let now = server.handle.now().at;
                let taken = Command::Lock {
                    target,
                    lock,
                    until: now + Span::millis(length),
                    why: "work".to_string(),
                    by: anna(),
                    heartbeat: heartbeat.map(Span::millis),
                };
                decide(&server, &truth, taken, "locked").await;
            }
            Deed::Unlock { target } => {
                let unlock = Command::Unlock {
                    target,
                    lock: None,
                    by: anna(),
                };
                decide(&server, &truth, unlock, "unlocked").await;
            }
            Deed::ReleaseBrake => {
                decide(
                    &server,
                    &truth,
                    Command::ReleaseBrake { by: anna() },
                    "released",
                )
                .await;
            }
            Deed::Fleet(_) => {}
        }
    });
}

/// An open action in one of these states, and the digest of its plan.
fn choose(server: &Server, pick: u64, states: &[State]) -> Option<(String, String)> {
    server.handle.read(|view| {
        let open = view.world().actions.open.values();
        let fits: Vec<&Action> = open.filter(|a| states.contains(&a.state)).collect();
        let chosen = fits.get(pick.checked_rem(fits.len() as u64)? as usize)?;
        Some((chosen.id(), chosen.plan.digest.clone()))
    })
}

async fn approve(server: &Server, truth: &Truth, pick: u64, blind: bool, late: u64) {
    let Some((id, digest)) = choose(server, pick, &[State::Pending]) else {
        return;
    };
    tokio::time::sleep(Duration::from_millis(late)).await;
    let approve = Command::Approve {
        id,
        digest: (!blind).then_some(digest),
        by: anna(),
        note: None,
    };
    decide(server, truth, approve, "approved").await;
}

async fn decide(
    server: &Server,
    truth: &Truth,
    command: Command,
    word: &'static str,
) -> Option<Reply> {
    let digest = match &command {
        Command::Approve { digest, .. } => digest.clone(),
        _ => None,
    };
    let shown = truth.is_telling().then(|| format!("{command:?}"));
    let answer = server.handle.command(command).await;
    truth.tell(|| {
        let shown = shown.unwrap_or_default();
        match &answer {
            Ok(reply) => format!("anna: {shown} → {reply:?}"),
            Err(error) => format!("anna: {shown} → {error}"),
        }
    });
    let reply = answer.ok()?;
    truth.answered(&reply, word, digest.as_deref());
    Some(reply)
}

async fn report(server: &Server, truth: &Truth, subject: &Subject, kind: &str, twice: bool) {
    let event = ForeignEvent {
        id: format!("report-{}", truth.now()),
        at: Time::ZERO,
        subject: subject.clone(),
        kind: Kind::new(kind).expect("a kind of the simulator is one"),
        severity: None,
        data: serde_json::json!({"detail": "told"}),
        source: Source::Inbox,
    };
    truth.tell(|| format!("somebody reports {kind} of {subject}"));
    let handle = Arc::new(server.handle.clone());
    let again = twice.then(|| handle.foreign(event.clone()));
    let _ = handle.foreign(event.clone()).await;
    if let Some(again) = again {
        let _ = again.await;
    }
}
