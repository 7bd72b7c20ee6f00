//! What every event log must do, whatever it is built on. An engine's tests call [`run`]; a failed promise panics with
//! its name. Nothing here knows an engine.

mod lead;
mod queries;

use std::sync::Arc;

use async_trait::async_trait;
use stead_core::ids::{Seq, digest};
use stead_core::time::Time;

use self::queries::{expect, filters};
use super::{Base, Compacted, Error, EventLog, Filter, Record, Snapshot};

/// How the suite gets at an engine.
#[async_trait]
pub trait Engine: Sync {
    /// Opens the log at `place`, creating it when it is not there. The suite closes a log before it opens it again.
    async fn open(&self, place: &str) -> Result<Arc<dyn EventLog>, Error>;

    /// A second handle on the log that is open at `place`, as another server has it. By default what [`Engine::open`]
    /// gives; an engine that keeps a second process out by other means gets past them here, as no user would.
    async fn second(&self, place: &str) -> Result<Arc<dyn EventLog>, Error> {
        self.open(place).await
    }

    /// Flips a bit within the stored bytes of one snapshot of the closed log at `place`.
    async fn damage_snapshot(&self, place: &str);

    /// Flips a bit within the stored bytes of record `seq` of the closed log at `place`.
    async fn damage_record(&self, place: &str, seq: Seq);
}

/// Runs every promise, each in a place of its own.
pub async fn run(engine: &dyn Engine) {
    appending(engine).await;
    reopening(engine).await;
    reading(engine).await;
    queries::filtering(engine).await;
    queries::searching(engine).await;
    queries::ordering_under_load(engine).await;
    documents(engine).await;
    snapshots(engine).await;
    compacting(engine).await;
    compacting_twice(engine).await;
    damage(engine).await;
    closing(engine).await;
    lead::taking_and_giving_back(engine).await;
    lead::epochs_only_grow(engine).await;
    lead::two_candidates(engine).await;
    lead::a_deposed_one_changes_nothing(engine).await;
}

const KINDS: [&str; 4] = [
    "service_healthy",
    "service_unhealthy",
    "disk_pressure",
    "action_completed",
];

/// A record that depends on `seq` alone.
pub fn sample(seq: u64) -> Record {
    let node = ["piha", "nas", "edge"][(seq % 3) as usize];
    Record {
        seq: Seq(seq),
        id: format!("event-{seq}"),
        at: Time(1_795_000_000_000 + seq as i64 * 1000),
        version: 1,
        node: node.to_owned(),
        subject: format!("service/{node}/s{}", seq % 5),
        kind: KINDS[(seq % 4) as usize].to_owned(),
        severity: (seq % 3) as u8,
        body: format!(r#"{{"seq":{seq},"streak":{}}}"#, seq % 7).into_bytes(),
    }
}

/// Records `from..=to`.
pub fn samples(from: u64, to: u64) -> Vec<Record> {
    (from..=to).map(sample).collect()
}

async fn open(engine: &dyn Engine, place: &str) -> Arc<dyn EventLog> {
    engine
        .open(place)
        .await
        .unwrap_or_else(|e| panic!("{place}: cannot be opened: {e}"))
}

async fn reopen(engine: &dyn Engine, place: &str, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
    log.close().await.expect("a log can be closed");
    drop(log);
    open(engine, place).await
}

async fn appending(engine: &dyn Engine) {
    let log = open(engine, "appending").await;
    let head = log.head().await.unwrap();
    assert_eq!((head.seq, head.first), (Seq::ZERO, Seq(1)), "an empty log");
    assert!(!head.log_id.is_empty(), "a log has an identity");
    log.append(Vec::new())
        .await
        .expect("an empty append is a no-op");
    let error = log.append(samples(2, 3)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Gap {
                expected: Seq(1),
                got: Seq(2)
            }
        ),
        "a gap at the start is refused: {error}"
    );
    log.append(samples(1, 3)).await.unwrap();
    let mut broken = samples(4, 6);
    broken[2].seq = Seq(7);
    let error = log.append(broken).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Gap {
                expected: Seq(6),
                got: Seq(7)
            }
        ),
        "a gap within a batch is refused: {error}"
    );
    let error = log.append(samples(3, 4)).await.unwrap_err();
    assert!(
        matches!(error, Error::Gap { .. }),
        "going back is refused: {error}"
    );
    assert_eq!(
        log.head().await.unwrap().seq,
        Seq(3),
        "a refused batch leaves nothing"
    );
    assert_eq!(
        log.read(Seq::ZERO, 100).await.unwrap(),
        samples(1, 3),
        "all or nothing"
    );
    assert!(
        log.known_ids(&["event-4".into()]).await.unwrap().is_empty(),
        "nor an ID"
    );
    log.append(samples(4, 6))
        .await
        .expect("the log goes on after a refusal");
    assert_eq!(log.verify().await.unwrap(), 6);
}

async fn reopening(engine: &dyn Engine) {
    let mut log = open(engine, "reopening").await;
    let id = log.head().await.unwrap().log_id;
    for round in 0..5 {
        log.append(samples(round * 7 + 1, round * 7 + 7))
            .await
            .unwrap();
        log = reopen(engine, "reopening", log).await;
        let head = log.head().await.unwrap();
        assert_eq!(
            head.seq,
            Seq(round * 7 + 7),
            "what was acknowledged is there"
        );
        assert_eq!(head.log_id, id, "it is the same log");
    }
    assert_eq!(log.read(Seq::ZERO, 100).await.unwrap(), samples(1, 35));
    let ids = ["event-35".to_owned(), "event-36".to_owned()];
    assert_eq!(
        log.known_ids(&ids).await.unwrap(),
        ["event-35"],
        "IDs survive too"
    );
}

async fn reading(engine: &dyn Engine) {
    let log = open(engine, "reading").await;
    assert!(log.read(Seq::ZERO, 10).await.unwrap().is_empty());
    log.append(samples(1, 1000)).await.unwrap();
    for seq in 1001..=1020 {
        log.append(vec![sample(seq)]).await.unwrap();
    }
    for (after, limit) in [
        (0, 1),
        (0, 1020),
        (0, 5000),
        (255, 2),
        (256, 1),
        (999, 5),
        (1005, 3),
        (1019, 9),
    ] {
        let last = (after + limit).min(1020);
        let records = log.read(Seq(after), limit as usize).await.unwrap();
        assert!(
            records == samples(after + 1, last),
            "read {limit} after {after}"
        );
    }
    assert!(
        log.read(Seq::ZERO, 0).await.unwrap().is_empty(),
        "limit 0 means none"
    );
    assert!(
        log.read(Seq(1020), 10).await.unwrap().is_empty(),
        "nothing after the head"
    );
    assert!(log.read(Seq(5000), 10).await.unwrap().is_empty());
    let odd = Record {
        seq: Seq(1021),
        id: String::new(),
        at: Time(-1),
        version: u16::MAX,
        node: String::new(),
        subject: "fleet".into(),
        kind: "ünknown_kind".into(),
        severity: 255,
        body: vec![0, 255, b'\n', b'"'],
    };
    log.append(vec![odd.clone()]).await.unwrap();
    assert_eq!(
        log.read(Seq(1020), 1).await.unwrap(),
        [odd],
        "any bytes come back as they were"
    );
}

async fn documents(engine: &dyn Engine) {
    let log = open(engine, "documents").await;
    let (one, other) = (digest(b"one"), digest(b"other"));
    assert_eq!(log.get_document(&one).await.unwrap(), None);
    log.put_document(&one, b"one").await.unwrap();
    log.put_document(&one, b"one")
        .await
        .expect("keeping the same again is a no-op");
    log.put_document(&one, b"changed").await.ok();
    assert_eq!(
        log.get_document(&one).await.unwrap().as_deref(),
        Some(&b"one"[..]),
        "documents never change"
    );
    log.put_document(&other, b"").await.unwrap();
    let log = reopen(engine, "documents", log).await;
    assert_eq!(
        log.get_document(&one).await.unwrap().as_deref(),
        Some(&b"one"[..])
    );
    assert_eq!(
        log.get_document(&other).await.unwrap().as_deref(),
        Some(&b""[..]),
        "an empty one is one"
    );
}

fn snapshot(shard: &str, seq: u64, bytes: &[u8]) -> Snapshot {
    Snapshot {
        shard: shard.into(),
        seq: Seq(seq),
        bytes: bytes.to_vec(),
    }
}

fn by_shard(mut snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
    snapshots.sort_by(|a, b| a.shard.cmp(&b.shard));
    snapshots
}

async fn snapshots(engine: &dyn Engine) {
    let log = open(engine, "snapshots").await;
    assert!(log.snapshots().await.unwrap().is_empty());
    log.append(samples(1, 10)).await.unwrap();
    let first = vec![
        snapshot("", 9, b"rest"),
        snapshot("nas", 9, &[7; 5000]),
        snapshot("piha", 9, b""),
    ];
    log.put_snapshots(first.clone()).await.unwrap();
    assert_eq!(by_shard(log.snapshots().await.unwrap()), first);
    let second = vec![snapshot("", 10, b"newer"), snapshot("nas", 10, &[8; 5000])];
    log.put_snapshots(second.clone()).await.unwrap();
    let log = reopen(engine, "snapshots", log).await;
    assert_eq!(
        by_shard(log.snapshots().await.unwrap()),
        second,
        "the whole set is replaced"
    );
    log.close().await.unwrap();
    engine.damage_snapshot("snapshots").await;
    let log = open(engine, "snapshots").await;
    assert!(
        log.snapshots().await.unwrap().is_empty(),
        "one damaged snapshot makes the set empty"
    );
    assert_eq!(
        log.verify().await.unwrap(),
        10,
        "the log itself is untouched"
    );
    log.put_snapshots(second.clone())
        .await
        .expect("and it can be filled again");
    assert_eq!(by_shard(log.snapshots().await.unwrap()), second);
    log.put_snapshots(Vec::new()).await.unwrap();
    assert!(
        log.snapshots().await.unwrap().is_empty(),
        "an empty list removes them"
    );
}

async fn compacting(engine: &dyn Engine) {
    let log = open(engine, "compacting").await;
    assert_eq!(log.base().await.unwrap(), None);
    log.append(samples(1, 600)).await.unwrap();
    log.append(samples(601, 620)).await.unwrap();
    let base = Base {
        seq: Seq(610),
        bytes: b"the fold".to_vec(),
    };
    let beyond = Base {
        seq: Seq(621),
        bytes: Vec::new(),
    };
    let keep = ["action_completed".to_owned()];
    let error = log.compact(beyond, &keep).await.unwrap_err();
    assert!(
        matches!(error, Error::Gap { .. }),
        "a base beyond the head is refused: {error}"
    );
    let done = log.compact(base.clone(), &keep).await.unwrap();
    let mut left: Vec<Record> = samples(1, 610)
        .into_iter()
        .filter(|r| r.kind == keep[0])
        .collect();
    let kept = left.len() as u64;
    assert_eq!(
        done,
        Compacted {
            removed: 610 - kept,
            kept
        }
    );
    left.extend(samples(611, 620));
    let mut log = log;
    for _ in 0..2 {
        assert_eq!(log.base().await.unwrap(), Some(base.clone()));
        assert!(
            log.read(Seq::ZERO, 1000).await.unwrap() == left,
            "the audit trail stays"
        );
        assert!(
            log.read(Seq(610), 1000).await.unwrap() == samples(611, 620),
            "replay goes on from the base"
        );
        let head = log.head().await.unwrap();
        assert_eq!((head.seq, head.first), (Seq(620), left[0].seq));
        assert_eq!(
            log.verify().await.unwrap(),
            left.len() as u64,
            "the chain holds across the gap"
        );
        for filter in filters() {
            let filter = Filter {
                limit: 1000,
                newest_first: true,
                ..filter
            };
            expect(&*log, &left, filter).await;
        }
        let ids = [
            "event-5".to_owned(),
            "event-609".to_owned(),
            "event-620".to_owned(),
            "event-621".to_owned(),
        ];
        assert_eq!(
            log.known_ids(&ids).await.unwrap(),
            &ids[..3],
            "IDs of removed records are remembered"
        );
        log = reopen(engine, "compacting", log).await;
    }
    log.append(samples(621, 640))
        .await
        .expect("the log goes on");
    assert_eq!(log.verify().await.unwrap(), left.len() as u64 + 20);
}

async fn compacting_twice(engine: &dyn Engine) {
    let log = open(engine, "twice").await;
    log.append(samples(1, 300)).await.unwrap();
    let at = |seq: u64| Base {
        seq: Seq(seq),
        bytes: format!("fold {seq}").into_bytes(),
    };
    let two = ["action_completed".to_owned(), "disk_pressure".to_owned()];
    log.compact(at(100), &two).await.unwrap();
    let error = log.compact(at(99), &two).await.unwrap_err();
    assert!(
        matches!(error, Error::Gap { .. }),
        "a base before the present one is refused: {error}"
    );
    log.compact(at(200), &two[..1]).await.unwrap();
    let mut left: Vec<Record> = samples(1, 200)
        .into_iter()
        .filter(|r| r.kind == two[0])
        .collect();
    left.extend(samples(201, 300));
    assert!(
        log.read(Seq::ZERO, 1000).await.unwrap() == left,
        "what is no longer kept goes as well"
    );
    assert_eq!(
        log.base().await.unwrap(),
        Some(at(200)),
        "there is one base"
    );
    let done = log.compact(at(300), &[]).await.unwrap();
    assert_eq!(done.removed, left.len() as u64);
    let head = log.head().await.unwrap();
    assert_eq!(
        (head.seq, head.first),
        (Seq(300), Seq(301)),
        "an emptied log keeps counting"
    );
    let log = reopen(engine, "twice", log).await;
    assert_eq!(log.head().await.unwrap().seq, Seq(300));
    assert!(log.read(Seq::ZERO, 10).await.unwrap().is_empty());
    log.append(samples(301, 302)).await.unwrap();
    assert_eq!(log.verify().await.unwrap(), 2);
}

async fn damage(engine: &dyn Engine) {
    let log = open(engine, "damage").await;
    log.append(samples(1, 700)).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    engine.damage_record("damage", Seq(20)).await;
    // Some engines look at everything when they open, some only at the end; none hands out the record.
    let error = match engine.open("damage").await {
        Err(error) => error,
        Ok(log) => {
            let error = log
                .read(Seq::ZERO, 700)
                .await
                .expect_err("reading across the damage must fail");
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
            let all = Filter {
                limit: 1000,
                ..Filter::default()
            };
            log.query(all)
                .await
                .expect_err("so must a query that comes across it");
            log.verify().await.expect_err("and verify")
        }
    };
    let Error::Corrupt { seq, .. } = error else {
        panic!("damage is reported as such: {error}");
    };
    assert!(seq.0 <= 20, "with its place: {seq}");
    assert!(!error.remedy().is_empty());
}

async fn closing(engine: &dyn Engine) {
    let log = open(engine, "closing").await;
    log.append(samples(1, 2)).await.unwrap();
    log.close().await.unwrap();
    log.append(samples(3, 4))
        .await
        .expect_err("a closed log takes nothing");
    let log = open(engine, "closing").await;
    assert_eq!(log.head().await.unwrap().seq, Seq(2));
}
