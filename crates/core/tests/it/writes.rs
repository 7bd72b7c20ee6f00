//! A container that writes far above its own past: said once when it begins, once when it ends, and held between.

use stead_core::controller::{Input, WritesTurn};
use stead_core::event::{Body, Event, Severity};
use stead_core::insight::annotation::{Annotation, AnnotationKind};
use stead_core::insight::anomaly::Anomaly;
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_core::world::World;

use crate::properties::replayed;
use crate::stage::{Stage, container, fleet};

fn subject() -> Subject {
    "container/piha/db".parse().expect("a subject")
}

fn stage() -> Stage {
    Stage::new(fleet(&[("piha", &[("db", container("db", None))])]))
}

fn anomaly(cause: Option<stead_core::ids::Seq>) -> Anomaly {
    Anomaly {
        since: Time(1_000),
        rate: 900,
        usual: 30,
        bound: 250,
        factor: Some(30.0),
        before: cause.map(|seq| Annotation {
            at: Time(900),
            kind: AnnotationKind::Deploy,
            what: "db 1.5.0".to_string(),
            event: Some(seq),
        }),
        full_in: Some(Span::days(4)),
    }
}

fn turn(stage: &mut Stage, turn: WritesTurn) {
    stage.put(Input::Writes {
        subject: subject(),
        turn,
    });
}

fn said(stage: &Stage) -> Vec<&'static str> {
    let word = |e: &Event| match &e.body {
        Body::WritesAnomalous(_) => Some("began"),
        Body::WritesUsual(e) if e.reason == "gone" => Some("gone"),
        Body::WritesUsual(_) => Some("ended"),
        _ => None,
    };
    stage.log.iter().filter_map(word).collect()
}

#[test]
fn it_is_said_once_and_linked_to_what_came_before() {
    let mut stage = stage();
    let cause = stage.log.last().expect("something happened").seq;
    turn(&mut stage, WritesTurn::Calm { rate: 1 });
    assert!(said(&stage).is_empty(), "what never began does not end");
    turn(&mut stage, WritesTurn::Began(anomaly(Some(cause))));
    turn(&mut stage, WritesTurn::Began(anomaly(None)));
    assert_eq!(said(&stage), ["began"]);
    let began = |e: &&Event| matches!(e.body, Body::WritesAnomalous(_));
    let event = stage.log.iter().find(began).expect("said");
    assert_eq!(
        (event.cause, event.severity),
        (Some(cause), Severity::Warning)
    );
    let open = &stage.controller.world().writes.open;
    assert_eq!(open[&subject()].0, anomaly(Some(cause)));
    turn(&mut stage, WritesTurn::Calm { rate: 20 });
    turn(&mut stage, WritesTurn::Calm { rate: 20 });
    assert_eq!(said(&stage), ["began", "ended"]);
    let writes = &stage.controller.world().writes;
    assert!(writes.open.is_empty());
    assert_eq!(
        writes.past[&subject()][0].0,
        Time(1_000),
        "no part of what is usual"
    );
}

#[test]
fn replay_holds_what_was_held_and_a_container_that_is_gone_leaves_nothing() {
    let mut stage = stage();
    turn(&mut stage, WritesTurn::Began(anomaly(None)));
    let again = replayed(&stage);
    assert_eq!(again.writes, stage.controller.world().writes);
    let text = serde_json::to_string(&again).expect("json");
    let back: World = serde_json::from_str(&text).expect("back");
    assert_eq!(back.writes, again.writes, "a checkpoint holds it");
    turn(&mut stage, WritesTurn::Gone);
    assert_eq!(said(&stage), ["began", "gone"]);
    let writes = &stage.controller.world().writes;
    assert!(writes.open.is_empty() && writes.past.is_empty());
}

#[test]
fn only_containers_write() {
    let mut stage = stage();
    stage.put(Input::Writes {
        subject: "node/piha".parse().expect("a subject"),
        turn: WritesTurn::Began(anomaly(None)),
    });
    assert!(said(&stage).is_empty());
}

#[test]
fn whoever_is_told_of_warnings_is_told_of_it_and_of_its_end() {
    let mut stage = stage();
    turn(&mut stage, WritesTurn::Began(anomaly(None)));
    let open = &stage.controller.world().alerts.open;
    let thread = open.values().next().expect("a thread");
    assert_eq!(thread.title, "db on piha writes far above its own past");
    assert!(
        thread.text.contains("30 times its usual"),
        "{}",
        thread.text
    );
    turn(&mut stage, WritesTurn::Calm { rate: 20 });
    for _ in 0..60 {
        stage.wait(Span::mins(1));
    }
    assert!(stage.controller.world().alerts.open.is_empty(), "it closed");
}
