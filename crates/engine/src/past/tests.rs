//! The past is the fold of a beginning of the log, whichever way it was reached.

use std::sync::Arc;

use stead_core::desired::Fleet;
use stead_core::drift;
use stead_core::event::{Body, DesiredLoaded, Event, ServiceNote, Severity, Source};
use stead_core::ids::{Seq, digest};
use stead_core::time::Time;
use stead_core::world::World;
use stead_ports::log::memory::{Disk, Faults, MemoryLog};
use stead_ports::log::{self, EventLog};

use super::{Error, Pasts};
use crate::{compact, encode};

const LATE: Time = Time(1_000_000_000);

fn event(seq: u64, at: i64, body: Body) -> Event {
    Event {
        seq: Seq(seq),
        id: format!("e-{seq}"),
        at: Time(at),
        subject: "service/piha/z2m".parse().expect("a subject"),
        severity: Severity::Info,
        cause: None,
        source: Source::Server,
        cursor: 0,
        body,
    }
}

/// Events whose clocks disagree, two fleets among them.
fn history(length: u64) -> (Vec<Event>, Vec<Vec<u8>>) {
    let mut documents = Vec::new();
    let events = (1..=length).map(|seq| {
        let at = 10_000 + seq as i64 * 100 - ((seq * 7919) % 7) as i64 * 90;
        let body = if seq % 50 == 1 {
            let fleet = Fleet {
                name: format!("fleet-{seq}"),
                ..Fleet::default()
            };
            let bytes = serde_json::to_vec(&fleet).expect("a document");
            let loaded = DesiredLoaded {
                digest: digest(&bytes),
                fleet: Some(Arc::new(fleet)),
                ..DesiredLoaded::default()
            };
            documents.push(bytes);
            Body::DesiredLoaded(loaded)
        } else if seq % 2 == 0 {
            Body::ServiceUnhealthy(ServiceNote::default())
        } else {
            Body::ServiceRecovered(ServiceNote::default())
        };
        event(seq, at, body)
    });
    let events: Vec<Event> = events.collect();
    (events, documents)
}

async fn written(length: u64) -> (Arc<dyn EventLog>, Vec<Event>) {
    let log = MemoryLog::open(&Disk::default(), &Faults::default()).expect("a log");
    let (events, documents) = history(length);
    for bytes in &documents {
        log.put_document(&digest(bytes), bytes).await.expect("kept");
    }
    log.append(events.iter().map(encode).collect())
        .await
        .expect("appended");
    (Arc::new(log), events)
}

/// What the definition says, word for word.
fn fold(events: &[Event], at: Time) -> World {
    let mut world = World::default();
    for event in events {
        if world.at.max(event.at) > at {
            break;
        }
        world.apply(event);
    }
    world
}

#[tokio::test]
async fn every_instant_is_the_fold_of_what_was_known_then() {
    let (log, events) = written(400).await;
    let (kept, last) = (Pasts::default(), events.last().expect("events").at.0);
    // Forth and back, so that worlds are walked on from, hit and made anew.
    let steps = (0..300).map(|n| 10_100 + (n * 7_001) % (last - 10_000));
    for at in steps.map(Time) {
        let past = kept.at(&log, at, LATE).await.expect("a past");
        let expected = fold(&events, at);
        assert_eq!(past.world(), &expected, "the world at {}", at.0);
        assert_eq!(past.drift(), &drift::Index::rebuild(&expected));
        assert_eq!(past.world().fleet.name, expected.fleet.name);
        assert_eq!(past.at, at);
    }
}

#[tokio::test]
async fn a_log_that_grew_is_seen_to_its_new_end() {
    let (log, mut events) = written(40).await;
    let kept = Pasts::default();
    let before = kept.at(&log, LATE, LATE).await.expect("a past");
    assert_eq!(before.world().head, Seq(40));
    let again = kept.at(&log, LATE, LATE).await.expect("a past");
    assert!(Arc::ptr_eq(&before.frame, &again.frame), "nothing to fold");
    let more = event(41, 500_000, Body::ServiceRecovered(ServiceNote::default()));
    log.append(vec![encode(&more)]).await.expect("appended");
    events.push(more);
    let after = kept.at(&log, LATE, LATE).await.expect("a past");
    assert_eq!(after.world(), &fold(&events, LATE));
    let between = kept.at(&log, Time(400_000), LATE).await.expect("a past");
    assert_eq!(between.world().head, Seq(40));
}

#[tokio::test]
async fn what_has_not_been_and_what_is_no_more_are_refused_with_the_bounds() {
    let (log, events) = written(100).await;
    let kept = Pasts::default();
    let first = events[0].at;
    let asked = Time(first.0 - 1);
    match kept.at(&log, asked, LATE).await {
        Err(e @ Error::Before { earliest, .. }) => {
            assert_eq!(earliest, Some(first));
            assert_eq!(e.code(), "past-compacted");
        }
        other => panic!("{other:?}"),
    }
    let tomorrow = Time(LATE.0 + 86_400_000);
    let error = kept.at(&log, tomorrow, LATE).await.expect_err("a future");
    assert_eq!(error.code(), "past-future");

    let kept_from = events[60].at;
    kept.at(&log, events[10].at, LATE).await.expect("a past");
    compact(&*log, kept_from).await.expect("compacted");
    // A world that is still kept is as true as it was; no way leads on from it.
    match kept.at(&log, events[40].at, LATE).await {
        Err(Error::Before {
            earliest: Some(earliest),
            ..
        }) => {
            let past = kept.at(&log, earliest, LATE).await.expect("the base");
            assert_eq!(past.world().at, earliest);
        }
        other => panic!("what was compacted away is told: {other:?}"),
    }
    let past = kept.at(&log, LATE, LATE).await.expect("a past");
    assert_eq!(past.world(), &fold(&events, LATE), "beyond the base");
}

#[tokio::test]
async fn an_empty_log_has_no_past() {
    let log = MemoryLog::open(&Disk::default(), &Faults::default()).expect("a log");
    let log: Arc<dyn EventLog> = Arc::new(log);
    let error = Pasts::default().at(&log, LATE, LATE).await;
    assert!(
        matches!(error, Err(Error::Before { earliest: None, .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn damage_is_said_not_skipped() {
    let (log, _) = written(10).await;
    let broken = Body::DesiredLoaded(DesiredLoaded {
        digest: "nowhere".to_string(),
        ..DesiredLoaded::default()
    });
    log.append(vec![encode(&event(11, 20_000, broken))])
        .await
        .expect("appended");
    let error = Pasts::default().at(&log, LATE, LATE).await;
    assert!(
        matches!(error, Err(Error::Log(log::Error::Corrupt { seq, .. })) if seq == Seq(11)),
        "{error:?}"
    );
}
