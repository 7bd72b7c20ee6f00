//! The lease and its epoch: F8, as far as a log alone can promise it.

use std::sync::Arc;

use stead_core::ids::Seq;
use stead_core::time::Time;

use super::{Engine, open, reopen, samples};
use crate::log::{Base, Claim, Error, EventLog, Lease};

async fn leads(log: &dyn EventLog, holder: &str, now: i64, lapsed: Option<&Lease>) -> u64 {
    match log.lead(holder, Time(now), lapsed).await.unwrap() {
        Claim::Leads { epoch } => epoch,
        Claim::Held(lease) => panic!("{holder} cannot lead: {lease:?}"),
    }
}

fn is_fenced(result: Result<(), Error>, epoch: u64, newer: u64) {
    let error = result.expect_err("a deposed leader changes nothing");
    let as_it_was =
        matches!(error, Error::Fenced { epoch: e, newer: n } if (e, n) == (epoch, newer));
    assert!(as_it_was, "{error}");
    assert!(!error.is_transient() && !error.remedy().is_empty());
    assert_eq!(error.code(), "log-fenced");
}

pub(super) async fn taking_and_giving_back(engine: &dyn Engine) {
    let log = open(engine, "lead").await;
    assert_eq!(
        log.lease().await.unwrap(),
        Lease::default(),
        "nobody ever led"
    );
    log.append(samples(1, 2))
        .await
        .expect("without a leader there is nobody to fence out");
    log.renew()
        .await
        .expect_err("whoever never led has nothing to renew");
    log.resign().await.expect("nor to give back");
    let epoch = leads(&*log, "anna:7", 0, None).await;
    let lease = log.lease().await.unwrap();
    assert_eq!((lease.epoch, lease.holder.as_str()), (epoch, "anna:7"));
    log.append(samples(3, 4)).await.unwrap();
    log.renew().await.expect("it leads");
    log.resign().await.unwrap();
    let lease = log.lease().await.unwrap();
    assert!(
        lease.is_free() && lease.epoch == epoch,
        "the epoch stays known"
    );
    assert_eq!(log.verify().await.unwrap(), 4, "the lease is no record");
}

pub(super) async fn epochs_only_grow(engine: &dyn Engine) {
    let mut log = open(engine, "epochs").await;
    let mut before = 0;
    let mut head = 0;
    // The clock jumps both ways; some leaders give the lead back, some are killed; the log is compacted between.
    for (round, now) in [1_000_000, 5, -3, 1_000_000, 999_999, 2_000_000]
        .into_iter()
        .enumerate()
    {
        let present = log.lease().await.unwrap();
        let epoch = leads(&*log, "one", now, Some(&present)).await;
        assert!(epoch > before, "{epoch} after {before}");
        before = epoch;
        log.append(samples(head + 1, head + 10)).await.unwrap();
        head += 10;
        if round % 2 == 0 {
            let base = Base {
                seq: Seq(head - 3),
                bytes: b"fold".to_vec(),
            };
            log.compact(base, &[]).await.unwrap();
        } else {
            log.resign().await.unwrap();
        }
        log = reopen(engine, "epochs", log).await;
        assert_eq!(
            log.lease().await.unwrap().epoch,
            epoch,
            "kept over the end of the process"
        );
        is_fenced(log.append(samples(head + 1, head + 1)).await, 0, epoch);
    }
}

/// Two handles on one log: the first leads and has appended `records`, the other came later.
async fn pair(
    engine: &dyn Engine,
    place: &str,
    records: u64,
) -> (Arc<dyn EventLog>, u64, Arc<dyn EventLog>) {
    let one = open(engine, place).await;
    let epoch = leads(&*one, "one", 0, None).await;
    one.append(samples(1, records)).await.unwrap();
    let second = engine.second(place).await;
    let other = second.unwrap_or_else(|e| panic!("{place}: no second handle: {e}"));
    (one, epoch, other)
}

pub(super) async fn two_candidates(engine: &dyn Engine) {
    let (one, first, other) = pair(engine, "candidates", 5).await;
    let held = match other.lead("other", Time(0), None).await.unwrap() {
        Claim::Held(lease) => lease,
        // The engine knows that the holder cannot be there any more.
        Claim::Leads { epoch } => {
            assert!(epoch > first);
            return is_fenced(one.append(samples(6, 6)).await, first, epoch);
        }
    };
    assert_eq!((held.epoch, held.holder.as_str()), (first, "one"));
    assert_eq!(
        other.read(Seq::ZERO, 9).await.unwrap(),
        samples(1, 5),
        "a standby may read"
    );
    is_fenced(other.append(samples(6, 6)).await, 0, first);
    one.renew().await.unwrap();
    let refused = other.lead("other", Time(0), Some(&held)).await.unwrap();
    assert!(
        matches!(refused, Claim::Held(lease) if lease != held),
        "it was renewed meanwhile"
    );
    one.append(samples(6, 8)).await.unwrap();
    one.resign().await.unwrap();
    let second = leads(&*other, "other", 0, None).await;
    assert!(second > first);
    let head = other.head().await.unwrap().seq;
    assert_eq!(head, Seq(8), "whoever leads knows what was appended before");
    other.append(samples(9, 10)).await.unwrap();
    assert_eq!(
        one.read(Seq(8), 9).await.unwrap(),
        samples(9, 10),
        "and the other may read on"
    );
}

pub(super) async fn a_deposed_one_changes_nothing(engine: &dyn Engine) {
    let (one, first, other) = pair(engine, "deposed", 20).await;
    let held = one.lease().await.unwrap();
    let second = leads(&*other, "other", 0, Some(&held)).await;
    other.append(samples(21, 25)).await.unwrap();
    for _ in 0..2 {
        is_fenced(one.append(samples(21, 22)).await, first, second);
        is_fenced(one.renew().await, first, second);
        let base = Base {
            seq: Seq(10),
            bytes: Vec::new(),
        };
        is_fenced(one.compact(base, &[]).await.map(drop), first, second);
    }
    one.resign().await.expect("there is nothing to give back");
    assert_eq!(other.lease().await.unwrap().holder, "other", "nor was it");
    other.append(samples(26, 30)).await.unwrap();
    assert_eq!(other.read(Seq::ZERO, 99).await.unwrap(), samples(1, 30));
    assert_eq!(other.verify().await.unwrap(), 30);
    drop(one);
    let log = reopen(engine, "deposed", other).await;
    assert_eq!(log.verify().await.unwrap(), 30, "each record once");
}
