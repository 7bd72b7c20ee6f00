//! What Stead did while nobody looked: from the log, because the world remembers only the latest actions.

use std::collections::BTreeMap;

use stead_core::action::{ActionKey, ActionKind, Principal};
use stead_core::event::{Body, Event};
use stead_core::insight::amount::bytes;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_protocol::api;

use super::text::{cancelled, cut, on};
use super::{Look, count, drift};

/// Lines listed; their sums count all.
const LINES: usize = 100;
/// Differences listed as left alone.
const ALONE: usize = 25;
const TEXT: usize = 300;

/// The kinds of events this is made of: how actions ended, and who let them start.
pub const DID: [&str; 5] = [
    "action_started",
    "action_completed",
    "action_failed",
    "action_cancelled",
    "action_rejected",
];
/// A start may lie this long before the time that is looked at.
pub const STARTED_BEFORE: stead_core::time::Span = stead_core::time::Span::hours(24);

/// The time that is looked at, and what the log has of it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    pub since: Time,
    /// `None`: until now.
    pub until: Option<Time>,
    /// Of the kinds in [`DID`], newest first, from [`STARTED_BEFORE`] before `since` on.
    pub events: &'a [Event],
    /// The log has more than could be read.
    pub truncated: bool,
}

impl Told<'_> {
    /// Since `since`, where the log has nothing.
    #[cfg(test)]
    pub(super) fn nothing(since: Time) -> Told<'static> {
        Told {
            since,
            until: None,
            events: &[],
            truncated: false,
        }
    }

    pub(super) fn holds(&self, at: Time) -> bool {
        at >= self.since && self.until.is_none_or(|until| at < until)
    }
}

pub(super) fn did(look: Look<'_>, told: Told<'_>) -> api::Did {
    let mut did = api::Did {
        since: told.since.to_string(),
        until: told.until.map(|at| at.to_string()),
        truncated: told.truncated,
        ..api::Did::default()
    };
    let automatic = automatic(look, told.events);
    for event in told.events.iter().filter(|e| told.holds(e.at)) {
        if let Some(entry) = ended(event, &automatic) {
            tally(&mut did, &entry, event);
            did.entries.push(entry);
        }
    }
    let log = look.world.alerts.log.iter();
    let delivered = |m: &&stead_core::alert::Message| {
        m.why.is_empty() && m.ended_at.is_some_and(|at| told.holds(at))
    };
    did.told = log.filter(delivered).count() as u64;
    left_alone(look, told, &mut did);
    did.entries.sort_by(|a, b| b.at.cmp(&a.at));
    did.entries.truncate(LINES);
    did.sentence = sentence(&did);
    did
}

type ByItself = BTreeMap<(Subject, String, u32), bool>;

/// Which actions policy started.
fn automatic(look: Look<'_>, events: &[Event]) -> ByItself {
    let remembered = look.world.actions.ended.iter().map(|a| {
        let by_itself = a.approved_by == Some(Principal::Policy);
        ((a.key.subject.clone(), a.id(), a.occurrence), by_itself)
    });
    let mut all: ByItself = remembered.collect();
    for event in events {
        if let Body::ActionStarted(s) = &event.body {
            let key = (event.subject.clone(), s.action.clone(), s.occurrence);
            all.insert(key, s.automatic);
        }
    }
    all
}

/// The line of an action's end; `None` for any other event.
fn ended(event: &Event, automatic: &ByItself) -> Option<api::DidEntry> {
    let (id, occurrence) = event.body.action()?;
    let kind = kind_of(&event.subject, id)?;
    let what = on(&event.subject);
    let (did, would) = verbs(kind);
    let (sort, text, why) = match &event.body {
        Body::ActionCompleted(e) => {
            let key = (event.subject.clone(), id.to_string(), occurrence);
            let sort = match (automatic.get(&key), kind) {
                (Some(true), ActionKind::DiskCleanup) => "chore",
                (Some(true), _) => "repair",
                _ => "for_people",
            };
            let freed = e.freed.map(|n| format!(", {} freed", bytes(n)));
            (
                sort,
                format!("{did} {what}{}", freed.unwrap_or_default()),
                None,
            )
        }
        Body::ActionFailed(e) => {
            let why = cut(&e.detail, TEXT);
            ("failure", format!("could not {would} {what}"), Some(why))
        }
        Body::ActionCancelled(e) => {
            let why = cut(cancelled(&e.reason), TEXT);
            (
                "resolved",
                format!("did not have to {would} {what}"),
                Some(why),
            )
        }
        Body::ActionRejected(e) => {
            let note = e.note.as_deref().map(|note| format!(": {note}"));
            let why = format!("{} said no{}", e.by, note.unwrap_or_default());
            (
                "declined",
                format!("did not {would} {what}"),
                Some(cut(&why, TEXT)),
            )
        }
        _ => return None,
    };
    Some(api::DidEntry {
        at: event.at.to_string(),
        kind: sort.to_string(),
        text,
        why,
        subject: event.subject.to_string(),
        action: Some(id.to_string()),
        occurrence: Some(occurrence),
        seq: Some(event.seq.0),
    })
}

fn tally(did: &mut api::Did, entry: &api::DidEntry, event: &Event) {
    *match entry.kind.as_str() {
        "repair" => &mut did.mended,
        "chore" => &mut did.chores,
        "for_people" => &mut did.done_for_people,
        "failure" => &mut did.failed,
        "declined" => &mut did.declined,
        _ => &mut did.cancelled,
    } += 1;
    if let Body::ActionCompleted(e) = &event.body {
        did.freed = did.freed.saturating_add(e.freed.unwrap_or(0));
    }
}

/// What differs since then and nothing is done about, with the reason.
fn left_alone(look: Look<'_>, told: Told<'_>, did: &mut api::Did) {
    let began = look.drift.iter().filter(|d| told.holds(d.since));
    for one in began {
        if super::action::open_for(look.world, &one.subject).is_some() {
            continue;
        }
        did.left_alone += 1;
        if did.left_alone > ALONE as u64 {
            continue;
        }
        let shown = drift(look, one);
        let text = match shown.detail.as_str() {
            "" => format!("left {} alone", on(&one.subject)),
            detail => format!("left {} alone: {detail}", on(&one.subject)),
        };
        did.entries.push(api::DidEntry {
            at: one.since.to_string(),
            kind: "left_alone".to_string(),
            text: cut(&text, TEXT),
            why: shown.why_not.map(|why| cut(&why, TEXT)),
            subject: one.subject.to_string(),
            ..api::DidEntry::default()
        });
    }
}

fn kind_of(subject: &Subject, id: &str) -> Option<ActionKind> {
    ActionKind::ALL.into_iter().find(|kind| {
        let key = ActionKey {
            kind: *kind,
            subject: subject.clone(),
        };
        key.has_id(id)
    })
}

/// What was done to something, and what would have been.
fn verbs(kind: ActionKind) -> (&'static str, &'static str) {
    match kind {
        ActionKind::ContainerRestart
        | ActionKind::UnitRestart
        | ActionKind::AgentRestart
        | ActionKind::LoopRestart => ("restarted", "restart"),
        ActionKind::Redeploy => ("redeployed", "redeploy"),
        ActionKind::DiskCleanup => ("cleaned up", "clean up"),
        ActionKind::LockClear => ("cleared a stale lock on", "clear a stale lock on"),
        ActionKind::DnsPublish => ("published the names of", "publish the names of"),
        ActionKind::ProxyRegister => ("registered", "register"),
        ActionKind::WorkloadStart => ("started", "start"),
        ActionKind::WorkloadStop => ("stopped", "stop"),
        ActionKind::AgentUpgrade => ("upgraded the agent of", "upgrade the agent of"),
        ActionKind::Provision => ("built", "build"),
        ActionKind::Patch => ("patched", "patch"),
        ActionKind::Drill => ("broke and mended", "break and mend"),
        ActionKind::Restore => ("restored", "restore"),
        ActionKind::Rebuild => ("rebuilt", "rebuild"),
        ActionKind::Destroy => ("destroyed", "destroy"),
        ActionKind::ModelLoad => ("loaded a model on", "load a model on"),
        ActionKind::ModelUnload => ("unloaded a model on", "unload a model on"),
    }
}

fn sentence(did: &api::Did) -> String {
    let mut parts = Vec::new();
    if did.mended > 0 {
        parts.push(format!("mended {} by itself", count(did.mended, "thing")));
    }
    if did.chores > 0 {
        parts.push(format!("did {}", count(did.chores, "chore")));
    }
    if did.done_for_people > 0 {
        parts.push(format!(
            "did {} that people approved",
            count(did.done_for_people, "thing")
        ));
    }
    if did.freed > 0 {
        parts.push(format!("freed {}", bytes(did.freed)));
    }
    if did.failed > 0 {
        parts.push(format!("failed at {}", did.failed));
    }
    if did.left_alone > 0 {
        parts.push(format!("left {} alone", count(did.left_alone, "thing")));
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
    use stead_core::event::{
        ActionEnded, Cancelled, MessageQueued, Rejected, Severity, Source, Started,
    };
    use stead_core::ids::Seq;
    use stead_core::world::{EvidenceState, World};

    use super::super::tests::{NOW, Still, an_action, with, world};
    use super::*;

    #[test]
    fn what_was_done_is_one_sentence() {
        let quiet = api::Did::default();
        assert_eq!(sentence(&quiet), "Stead had nothing to do.");
        let busy = api::Did {
            mended: 3,
            chores: 1,
            freed: 3 << 30,
            failed: 1,
            left_alone: 2,
            told: 2,
            ..quiet
        };
        assert_eq!(
            sentence(&busy),
            "Stead mended 3 things by itself, did 1 chore, freed 3 GiB, failed at 1, left 2 things alone and sent 2 messages."
        );
    }

    fn event(subject: &str, body: Body) -> Event {
        Event {
            seq: Seq(7),
            id: "e7".into(),
            at: Time(1_795_000_000_000),
            subject: subject.parse().expect("a subject"),
            severity: Severity::Info,
            cause: None,
            source: Source::Server,
            cursor: 0,
            body,
        }
    }

    fn completed(action: &str, freed: Option<u64>) -> Body {
        Body::ActionCompleted(ActionEnded {
            action: action.into(),
            occurrence: 2,
            code: String::new(),
            detail: String::new(),
            freed,
        })
    }

    fn started(action: &str, automatic: bool) -> Body {
        Body::ActionStarted(Started {
            action: action.into(),
            occurrence: 2,
            automatic,
        })
    }

    /// Kind and text of the line of `end`, where the log says that `start` began it.
    fn line(subject: &str, start: Option<bool>, end: Body) -> (String, String) {
        let id = end.action().expect("an action's end").0.to_string();
        let subject_of = subject.parse().expect("a subject");
        let known = start.map(|automatic| ((subject_of, id, 2), automatic));
        let entry = ended(&event(subject, end), &known.into_iter().collect()).expect("a line");
        (entry.kind, entry.text)
    }

    #[test]
    fn a_line_says_what_was_done_to_what_and_who_let_it() {
        let restart = || completed("container-restart-piha-z2m", None);
        let z2m = "service/piha/z2m";
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(
            line(z2m, Some(true), restart()),
            pair("repair", "restarted z2m on piha")
        );
        assert_eq!(
            line(z2m, Some(false), restart()),
            pair("for_people", "restarted z2m on piha")
        );
        assert_eq!(
            line(z2m, None, restart()).0,
            "for_people",
            "nothing is called automatic that may not have been"
        );
        assert_eq!(
            line(
                "node/piha",
                Some(true),
                completed("disk-cleanup-piha", Some(1 << 30))
            ),
            pair("chore", "cleaned up piha, 1 GiB freed")
        );
        let no = Body::ActionRejected(Rejected {
            action: "redeploy-piha-z2m".into(),
            occurrence: 2,
            by: Principal::User("ann".into()),
            note: Some("not today".into()),
        });
        let entry = ended(&event(z2m, no), &ByItself::new()).expect("a line");
        assert_eq!(entry.text, "did not redeploy z2m on piha");
        assert!(entry.why.expect("why").ends_with("said no: not today"));
    }

    #[test]
    fn a_start_and_what_is_no_action_have_no_line() {
        let start = event(
            "service/piha/z2m",
            started("container-restart-piha-z2m", true),
        );
        assert_eq!(ended(&start, &ByItself::new()), None);
        let stopped = event("fleet", Body::ServerStopped(serde_json::Map::new()));
        assert_eq!(ended(&stopped, &ByItself::new()), None);
        let foreign = event("service/piha/z2m", completed("redeploy-elsewhere-x", None));
        assert_eq!(
            ended(&foreign, &ByItself::new()),
            None,
            "of another subject"
        );
    }

    fn at(hours: i64, subject: &str, body: Body) -> Event {
        let at = Time(NOW.at.0 - hours * 3_600_000);
        Event {
            at,
            ..event(subject, body)
        }
    }

    #[test]
    fn only_what_ended_in_that_time_counts_and_what_was_freed_is_summed() {
        let world = world(EvidenceState::Fresh);
        let cleaned = || completed("disk-cleanup-piha", Some(1 << 30));
        let cancelled = Body::ActionCancelled(Cancelled {
            action: "redeploy-piha-web".into(),
            occurrence: 2,
            reason: "drift_resolved_auto".into(),
            by: None,
        });
        let events = [
            at(1, "node/piha", cleaned()),
            at(3, "node/piha", cleaned()),
            at(4, "node/piha", cleaned()),
            at(5, "service/piha/web", cancelled),
            at(6, "node/piha", started("disk-cleanup-piha", true)),
            at(30, "node/piha", cleaned()),
        ];
        let told = Told {
            since: Time(NOW.at.0 - 24 * 3_600_000),
            until: Some(Time(NOW.at.0 - 2 * 3_600_000)),
            events: &events,
            truncated: false,
        };
        let did = with(&world, &Still::default(), |look| did(look, told));
        assert_eq!((did.chores, did.cancelled, did.freed), (2, 1, 2 << 30));
        assert_eq!(did.entries.len(), 3);
    }

    #[test]
    fn messages_that_arrived_are_counted_and_those_given_up_are_not() {
        let mut world = world(EvidenceState::Fresh);
        for (id, why) in [("m1", ""), ("m2", "no route to host")] {
            let what = MessageQueued {
                id: id.into(),
                thread: None,
                channel: "critical".into(),
                route: String::new(),
                sort: "opened".into(),
                severity: Severity::Warning,
                title: String::new(),
                text: String::new(),
                ping: false,
            };
            world.alerts.log.push_back(stead_core::alert::Message {
                what,
                subject: Subject::Fleet,
                queued_at: NOW.at,
                seq: Seq(1),
                ended_at: Some(NOW.at),
                attempts: 1,
                why: why.into(),
            });
        }
        let told = Told::nothing(Time(NOW.at.0 - 1));
        let did = with(&world, &Still::default(), |look| did(look, told));
        assert_eq!(did.told, 1);
    }

    #[test]
    fn what_somebody_is_at_was_not_left_alone() {
        let mut world = world(EvidenceState::Fresh);
        let node = world.nodes.values_mut().next().expect("piha");
        node.facts.remove(&stead_core::facts::FactKey::Container(
            "web".parse().expect("a name"),
        ));
        let web = node.services.values_mut().next().expect("web");
        (web.status, web.since) = (stead_core::world::Status::Missing, NOW.at);
        let alone = |world: &World| {
            let told = Told::nothing(Time(NOW.at.0 - 1));
            with(world, &Still::default(), |look| did(look, told)).left_alone
        };
        assert_eq!(alone(&world), 1);
        let action = an_action(stead_core::action::State::Running);
        world.actions.open.insert(action.key.clone(), action);
        assert_eq!(alone(&world), 0);
    }
}
