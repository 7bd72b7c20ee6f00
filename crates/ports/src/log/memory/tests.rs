//! The fake keeps the port's promises, and F1 to F5 end as they must.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::log::conformance::{self, sample, samples};

#[derive(Default)]
struct Shelf(Mutex<HashMap<String, Disk>>);

impl Shelf {
    fn disk(&self, place: &str) -> Disk {
        self.0
            .lock()
            .unwrap()
            .entry(place.to_owned())
            .or_default()
            .clone()
    }
}

#[async_trait]
impl conformance::Engine for Shelf {
    async fn open(&self, place: &str) -> Result<Arc<dyn EventLog>, Error> {
        Ok(Arc::new(MemoryLog::open(
            &self.disk(place),
            &Faults::default(),
        )?))
    }

    async fn damage_snapshot(&self, place: &str) {
        assert!(self.disk(place).flip_file(SNAPSHOTS, 20, 3));
    }

    async fn damage_record(&self, place: &str, seq: Seq) {
        let before: usize = (1..seq.0)
            .map(|s| crate::log::frame::encoded_len(&sample(s)))
            .sum();
        self.disk(place).flip(BATCH_HEADER + before + 40, 1);
    }
}

#[tokio::test]
async fn the_fake_conforms() {
    conformance::run(&Shelf::default()).await;
}

fn fresh() -> (Disk, Faults, MemoryLog) {
    let (disk, faults) = (Disk::default(), Faults::default());
    let log = MemoryLog::open(&disk, &faults).unwrap();
    (disk, faults, log)
}

const BOUNDARIES: [Boundary; 6] = [
    Boundary::BeforeWrite,
    Boundary::TornWrite(1),
    Boundary::TornWrite(100),
    Boundary::TornWrite(usize::MAX),
    Boundary::BeforeSync,
    Boundary::BeforeAcknowledge,
];

/// After any crash the log holds the acknowledged records, and of the others a whole batch or nothing.
async fn crash(boundary: Boundary, after: impl Fn(&Disk)) {
    let (disk, faults, log) = fresh();
    log.append(samples(1, 5)).await.unwrap();
    log.append(samples(6, 8)).await.unwrap();
    faults.arm(Fault::Crash(boundary));
    let error = log.append(samples(9, 12)).await.unwrap_err();
    assert!(matches!(error, Error::Fatal(_)), "{boundary:?}: {error}");
    log.head().await.expect_err("a killed log answers nothing");
    after(&disk);
    let log = MemoryLog::open(&disk, &faults).unwrap_or_else(|e| panic!("{boundary:?}: {e}"));
    let head = log.head().await.unwrap().seq;
    assert!(head == Seq(8) || head == Seq(12), "{boundary:?}: {head}");
    assert_eq!(
        log.read(Seq::ZERO, 100).await.unwrap(),
        samples(1, head.0),
        "{boundary:?}"
    );
    assert_eq!(log.verify().await.unwrap(), head.0);
    log.append(samples(head.0 + 1, head.0 + 3)).await.unwrap();
    // What the log believed in after it was opened does not vanish later.
    disk.cut_power(0);
    let log = MemoryLog::open(&disk, &faults).unwrap();
    assert_eq!(log.verify().await.unwrap(), head.0 + 3, "{boundary:?}");
}

#[tokio::test]
async fn f1_a_kill_at_any_write_boundary_loses_nothing_acknowledged() {
    for boundary in BOUNDARIES {
        crash(boundary, |_| {}).await;
    }
}

#[tokio::test]
async fn f5_a_power_cut_that_drops_unsynced_pages_loses_nothing_acknowledged() {
    for boundary in BOUNDARIES {
        for keep in [0, 1, 7, 8, 9, 150, usize::MAX] {
            crash(boundary, |disk| disk.cut_power(keep)).await;
        }
    }
}

#[tokio::test]
async fn f2_after_a_failed_sync_nothing_is_acknowledged_until_a_restart() {
    let (disk, faults, log) = fresh();
    log.append(samples(1, 5)).await.unwrap();
    faults.arm(Fault::SyncError);
    let error = log.append(samples(6, 8)).await.unwrap_err();
    assert!(matches!(error, Error::Fatal(_)), "{error}");
    for _ in 0..2 {
        let error = log.append(samples(6, 8)).await.unwrap_err();
        assert!(
            matches!(error, Error::Fatal(_)),
            "a retry must not succeed: {error}"
        );
    }
    assert!(matches!(log.read(Seq::ZERO, 1).await, Err(Error::Fatal(_))));
    assert!(matches!(
        log.put_document("d", b"x").await,
        Err(Error::Fatal(_))
    ));
    let unsynced = disk.clone();
    unsynced.cut_power(0);
    let log = MemoryLog::open(&disk, &faults).unwrap();
    assert_eq!(
        log.head().await.unwrap().seq,
        Seq(5),
        "what was not acknowledged may be gone"
    );
    log.append(samples(6, 8)).await.unwrap();
}

#[tokio::test]
async fn f3_a_full_disk_refuses_whole_batches_and_the_log_goes_on_when_it_is_freed() {
    let (_, faults, log) = fresh();
    log.append(samples(1, 5)).await.unwrap();
    faults.set_full(true);
    for _ in 0..3 {
        assert!(matches!(log.append(samples(6, 8)).await, Err(Error::Full)));
    }
    assert_eq!(
        log.read(Seq::ZERO, 10).await.unwrap(),
        samples(1, 5),
        "reads live on"
    );
    faults.set_full(false);
    log.append(samples(6, 8)).await.unwrap();
    assert_eq!(log.verify().await.unwrap(), 8);
}

#[tokio::test]
async fn f4_no_flipped_bit_and_no_truncation_goes_unseen() {
    let whole = || async {
        let (disk, faults, log) = fresh();
        for seq in 1..=6 {
            log.append(vec![sample(seq)]).await.unwrap();
        }
        (disk, faults, log)
    };
    let len = whole().await.0.len();
    for at in 0..len {
        let (disk, faults, live) = whole().await;
        disk.flip(at, (at % 8) as u8);
        let error = MemoryLog::open(&disk, &faults).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "byte {at}: {error}");
        match live.read(Seq::ZERO, 10).await {
            Ok(records) => assert_eq!(
                records,
                samples(1, 6),
                "byte {at}: only a batch header was hit"
            ),
            Err(error) => assert!(matches!(error, Error::Corrupt { .. }), "byte {at}: {error}"),
        }
    }
    for cut in 0..len {
        let (disk, faults, _) = whole().await;
        disk.truncate(cut);
        let error = MemoryLog::open(&disk, &faults).map(|_| ()).unwrap_err();
        assert!(
            matches!(error, Error::Corrupt { .. }),
            "cut at {cut}: {error}"
        );
    }
}

#[tokio::test]
async fn a_crash_within_compaction_leaves_the_old_log_or_the_new_one() {
    for boundary in BOUNDARIES {
        let (disk, faults, log) = fresh();
        log.append(samples(1, 20)).await.unwrap();
        faults.arm(Fault::Crash(boundary));
        let base = Base {
            seq: Seq(15),
            bytes: b"fold".to_vec(),
        };
        log.compact(base, &["action_completed".to_owned()])
            .await
            .unwrap_err();
        let log = MemoryLog::open(&disk, &faults).unwrap();
        let expected = if log.base().await.unwrap().is_some() {
            4 + 5
        } else {
            20
        };
        assert_eq!(log.verify().await.unwrap(), expected, "{boundary:?}");
        assert_eq!(
            log.known_ids(&["event-1".to_owned()]).await.unwrap().len(),
            1
        );
    }
}

#[tokio::test]
async fn whoever_takes_over_from_a_writer_that_died_half_way_goes_on_where_the_log_is_whole() {
    for boundary in BOUNDARIES {
        let (disk, faults, one) = fresh();
        let other = MemoryLog::open(&disk, &Faults::default()).unwrap();
        one.lead("one", Time(0), None).await.unwrap();
        one.append(samples(1, 5)).await.unwrap();
        faults.arm(Fault::Crash(boundary));
        one.append(samples(6, 8)).await.unwrap_err();
        let held = other.lease().await.unwrap();
        let claim = other.lead("other", Time(0), Some(&held)).await.unwrap();
        assert!(matches!(claim, Claim::Leads { epoch } if epoch > held.epoch));
        let head = other.head().await.unwrap().seq.0;
        assert!(head == 5 || head == 8, "{boundary:?}: {head}");
        other.append(samples(head + 1, head + 3)).await.unwrap();
        disk.cut_power(0);
        let log = MemoryLog::open(&disk, &faults).unwrap();
        assert_eq!(log.verify().await.unwrap(), head + 3, "{boundary:?}");
    }
}

#[tokio::test]
async fn a_crash_while_the_lead_is_taken_leaves_one_leader_or_none() {
    for boundary in BOUNDARIES {
        let (disk, faults, one) = fresh();
        faults.arm(Fault::Crash(boundary));
        one.lead("one", Time(0), None).await.unwrap_err();
        disk.cut_power(0);
        let other = MemoryLog::open(&disk, &faults).unwrap();
        let held = other.lease().await.unwrap();
        let claim = other.lead("other", Time(0), Some(&held)).await.unwrap();
        assert!(
            matches!(claim, Claim::Leads { epoch } if epoch > held.epoch),
            "{boundary:?}"
        );
        other.append(samples(1, 2)).await.unwrap();
    }
}
