//! F4: flipped bits and cut files. Either the damage is reported with its place and a remedy, or it hit nothing that
//! matters and everything reads exactly as it was written.

use std::path::Path;

use stead_ports::log::conformance::samples;
use stead_ports::log::{Error, EventLog, Filter};

use crate::places::{Dice, copy_log, everything, file, filled, open};

const RECORDS: u64 = 1500;

/// Opens, reads and verifies; `true` when the damage was reported.
async fn reported(data: &Path, what: &str) -> bool {
    let error = match open(data).await {
        Err(error) => error,
        Ok(log) => {
            let (read, verified) = (everything(&log).await, log.verify().await);
            let newest = Filter {
                limit: 2000,
                newest_first: true,
                ..Filter::default()
            };
            let queried = log.query(newest).await;
            log.close().await.ok();
            match (read, verified) {
                (Ok(records), Ok(n)) => {
                    assert!(records == samples(1, RECORDS), "{what}: silently wrong");
                    assert_eq!(n, RECORDS, "{what}");
                    let mut queried = queried.unwrap_or_else(|e| panic!("{what}: {e}"));
                    queried.reverse();
                    assert!(queried == records, "{what}: the query is silently wrong");
                    return false;
                }
                (Ok(records), Err(error)) => {
                    assert!(
                        records == samples(1, RECORDS),
                        "{what}: what was handed out is right"
                    );
                    error
                }
                (Err(error), verified) => {
                    assert!(verified.is_err(), "{what}: {error}, but verify saw nothing");
                    error
                }
            }
        }
    };
    assert!(
        matches!(error, Error::Corrupt { .. } | Error::Newer { .. }),
        "{what}: damage is reported as damage, not as: {error:?}"
    );
    assert!(!error.remedy().is_empty() && !error.code().is_empty());
    true
}

fn flip(path: &Path, at: usize, bit: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1 << bit;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn f4_a_flipped_bit_in_the_database_is_reported_or_harmless() {
    let origin = tempfile::tempdir().unwrap();
    filled(origin.path(), RECORDS).await;
    let len = std::fs::metadata(file(origin.path(), "log.db"))
        .unwrap()
        .len();
    let mut dice = Dice(4);
    let mut found = 0;
    for round in 0..150u64 {
        let data = tempfile::tempdir().unwrap();
        copy_log(origin.path(), data.path());
        // The file's header and the first pages first, then anywhere.
        let at = if round < 40 {
            round * 3
        } else {
            dice.roll(len)
        } as usize;
        flip(&file(data.path(), "log.db"), at, dice.roll(8));
        found += u64::from(reported(data.path(), &format!("byte {at}")).await);
    }
    assert!(found > 75, "most of the file matters: {found} of 150 found");
}

#[tokio::test]
async fn f4_a_cut_database_is_reported() {
    let origin = tempfile::tempdir().unwrap();
    filled(origin.path(), RECORDS).await;
    let len = std::fs::metadata(file(origin.path(), "log.db"))
        .unwrap()
        .len();
    for cut in [
        0,
        1,
        50,
        100,
        4095,
        4096,
        8192,
        len / 2,
        len - 4096,
        len - 1,
    ] {
        let data = tempfile::tempdir().unwrap();
        copy_log(origin.path(), data.path());
        let file = std::fs::File::options()
            .write(true)
            .open(file(data.path(), "log.db"))
            .unwrap();
        file.set_len(cut).unwrap();
        assert!(
            reported(data.path(), &format!("cut at {cut}")).await,
            "cut at {cut}"
        );
    }
    let data = tempfile::tempdir().unwrap();
    copy_log(origin.path(), data.path());
    std::fs::remove_file(file(data.path(), "log.db")).unwrap();
    assert!(
        reported(data.path(), "removed").await,
        "a removed database is not an empty one"
    );
}

/// SQLite takes a damaged write-ahead file for one that ends there, and drops acknowledged records with it.
#[tokio::test]
async fn f4_a_damaged_write_ahead_file_is_reported_and_left_as_evidence() {
    let origin = tempfile::tempdir().unwrap();
    let log = open(origin.path()).await.unwrap();
    for first in (1..=RECORDS).step_by(10) {
        log.append(samples(first, first + 9)).await.unwrap();
    }
    // As a killed process leaves it.
    let crashed = tempfile::tempdir().unwrap();
    copy_log(origin.path(), crashed.path());
    log.close().await.unwrap();
    let wal = std::fs::read(file(crashed.path(), "log.db-wal")).unwrap();
    assert!(
        wal.len() > 100_000,
        "the write-ahead file holds the records"
    );
    let mut dice = Dice(9);
    for round in 0..40 {
        let data = tempfile::tempdir().unwrap();
        copy_log(crashed.path(), data.path());
        let path = file(data.path(), "log.db-wal");
        let what = if round % 2 == 0 {
            let at = dice.roll(wal.len() as u64) as usize;
            flip(&path, at, dice.roll(8));
            format!("byte {at} of the write-ahead file")
        } else {
            let cut = dice.roll(wal.len() as u64 - 1);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(cut)
                .unwrap();
            format!("write-ahead file cut at {cut}")
        };
        let before = std::fs::read(&path).unwrap();
        if reported(data.path(), &what).await {
            assert!(
                std::fs::read(&path).unwrap() == before,
                "{what}: the evidence is gone"
            );
        } else {
            assert!(round % 2 == 0, "{what}: not seen");
        }
    }
    let data = tempfile::tempdir().unwrap();
    copy_log(crashed.path(), data.path());
    std::fs::remove_file(file(data.path(), "log.db-wal")).unwrap();
    assert!(reported(data.path(), "write-ahead file removed").await);
}

#[tokio::test]
async fn a_damaged_or_missing_index_is_built_anew() {
    let data = tempfile::tempdir().unwrap();
    filled(data.path(), RECORDS).await;
    for damage in 0..4 {
        let path = file(data.path(), "cache.db");
        match damage {
            0 => std::fs::remove_file(&path).unwrap(),
            1 => std::fs::write(&path, vec![0xA5; 9000]).unwrap(),
            2 => std::fs::write(&path, b"").unwrap(),
            _ => {
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            }
        }
        let log = open(data.path()).await.unwrap();
        answers_are_right(&log).await;
        log.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_index_that_breaks_while_in_use_is_done_without() {
    let data = tempfile::tempdir().unwrap();
    filled(data.path(), RECORDS).await;
    let log = open(data.path()).await.unwrap();
    let path = file(data.path(), "cache.db");
    let len = std::fs::metadata(&path).unwrap().len() as usize;
    std::fs::write(&path, vec![0x5A; len]).unwrap();
    answers_are_right(&log).await;
    log.close().await.unwrap();
    let log = open(data.path()).await.unwrap();
    answers_are_right(&log).await;
}

async fn answers_are_right(log: &dyn EventLog) {
    let filter = Filter {
        node: Some("nas".into()),
        kinds: vec!["disk_pressure".into()],
        limit: 10_000,
        ..Filter::default()
    };
    let wanted: Vec<_> = samples(1, RECORDS)
        .into_iter()
        .filter(|r| filter.matches(&r.view()))
        .collect();
    assert!(log.query(filter).await.unwrap() == wanted);
    let ids: Vec<String> = [1, 700, RECORDS, RECORDS + 1]
        .iter()
        .map(|seq| format!("event-{seq}"))
        .collect();
    assert_eq!(log.known_ids(&ids).await.unwrap(), &ids[..3]);
    assert_eq!(log.verify().await.unwrap(), RECORDS);
}
