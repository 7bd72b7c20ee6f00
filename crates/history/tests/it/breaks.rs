//! Kills at every write, failed syncs, power cuts and flipped bits, on the disk in memory.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use stead_core::time::{Span, Time};
use stead_history::store::Store;
use stead_ports::disk::memory::{Boundary, Fault, Loss};
use stead_ports::disk::{Disk, Open};
use stead_ports::history::{Error, Range, Reader, Selector, Writer};

use crate::places::{DIR, HOUR, MINUTE, Place, SECOND, START, entry, labels, plain, points, value};

/// What one life does: appends, writes out and merges.
async fn live_in(
    store: &Store,
    place: &Place,
    accepted: &Cell<i64>,
    rounds: i64,
) -> Result<(), Error> {
    for round in 0..rounds {
        let next = accepted.get();
        let batch = (next..next + 7)
            .flat_map(|n| (0..3).map(move |s| (s, n)))
            .map(|(s, n)| {
                entry(
                    &labels("cpu", &s.to_string()),
                    START + n * 10_000,
                    value(s, n),
                )
            });
        place.clock.set_wall(Time(START + (next + 7) * 10_000));
        let done = store.append(batch.collect()).await?;
        assert_eq!(done.samples + done.refused.disorder, 21);
        accepted.set(next + 7);
        if round % 2 == 1 {
            store.flush().await?;
        }
        if round % 3 == 2 {
            store.merge().await?;
        }
    }
    Ok(())
}

/// A life that ends well. How many samples of each series there are then.
async fn live(store: &Store, place: &Place, from: i64, rounds: i64) -> i64 {
    let accepted = Cell::new(from);
    live_in(store, place, &accepted, rounds).await.unwrap();
    accepted.get()
}

/// A life that is cut short: nothing of it is heard again. How many samples were accepted until then.
async fn die(place: &Place) -> i64 {
    let accepted = Cell::new(0);
    let life = async {
        let store = place.try_open().await?;
        live_in(&store, place, &accepted, 12).await
    };
    tokio::time::timeout(Duration::from_secs(1), life)
        .await
        .ok();
    accepted.get()
}

async fn check(store: &Store, accepted: i64, why: &str) {
    for s in 0..3 {
        let selector =
            Selector::metric("cpu").with("node", stead_ports::history::Op::Equal, &s.to_string());
        let fine = points(store, &selector, START, START + 2 * HOUR, 10_000).await;
        let wanted: Vec<(i64, f64)> = (0..fine.len() as i64)
            .map(|n| (START + n * 10_000, value(s, n)))
            .collect();
        assert!(
            fine.len() as i64 >= accepted,
            "{why}: {} of {accepted} are there",
            fine.len()
        );
        assert_eq!(plain(&fine), wanted, "{why}");
        // Folds count every sample once.
        for step in [MINUTE, 15 * MINUTE] {
            let coarse = points(store, &selector, START, START + 2 * HOUR, step).await;
            for point in coarse {
                let within = wanted
                    .iter()
                    .filter(|(at, _)| at / step * step == point.at.0);
                let values: Vec<f64> = within.map(|(_, value)| *value).collect();
                let average = values.iter().sum::<f64>() / values.len() as f64;
                assert!(
                    (point.avg - average).abs() < 1e-9,
                    "{why}: step {step}: {} is not {average}",
                    point.avg
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f1_a_kill_at_any_write_loses_nothing_accepted_and_counts_nothing_twice() {
    let whole = Place::server();
    let store = whole.open().await;
    let before = whole.disk.changes();
    live(&store, &whole, 0, 12).await;
    let changes = whole.disk.changes() - before;
    assert!(changes > 50);
    for at in 0..changes + 5 {
        for boundary in [Boundary::Before, Boundary::Within(3), Boundary::After] {
            let place = Place::server();
            place.disk.arm_after(at, Fault::Kill(boundary));
            let accepted = die(&place).await;
            let died = place.disk.was_killed();
            place.disk.disarm();
            let why = format!("{boundary:?} of change {at}, died {died}");
            let store = place.open().await;
            check(&store, accepted, &why).await;
            // And it goes on from there.
            let there = points(
                &store,
                &Selector::metric("cpu").with("node", stead_ports::history::Op::Equal, "0"),
                START,
                START + HOUR,
                10_000,
            )
            .await;
            let accepted = live(&store, &place, there.len() as i64 / 7 * 7, 4).await;
            check(&store, accepted, &why).await;
        }
    }
}

#[tokio::test]
async fn f2_a_sync_that_fails_costs_nothing_and_is_told() {
    for skip in 0..12 {
        let place = Place::server();
        let store = place.open().await;
        let accepted = live(&store, &place, 0, 1).await;
        place.disk.arm_after(skip, Fault::SyncError);
        let mut told = false;
        for _ in 0..4 {
            place.pass(11 * MINUTE);
            if store.keep().await.is_err() {
                told = true;
                assert!(matches!(store.stats().trouble, Some(Error::Io(_))));
            }
        }
        assert!(told || skip > 5, "sync {skip}");
        store.keep().await.unwrap();
        assert_eq!(store.stats().trouble, None, "it is over");
        place.disk.cut_power(Loss::Unsynced);
        let store = place.open().await;
        check(&store, accepted, &format!("sync {skip}")).await;
    }
}

#[tokio::test]
async fn f5_a_power_cut_takes_what_was_not_synced_and_nothing_else() {
    for seed in 0..60 {
        let place = Place::server();
        let store = place.open().await;
        let rounds = 2 + seed as i64 % 9;
        let durable = live(&store, &place, 0, rounds).await;
        store.sync().await.unwrap();
        live(&store, &place, durable, 3).await;
        place.disk.cut_power(match seed % 3 {
            0 => Loss::Unsynced,
            1 => Loss::Torn(seed as usize),
            _ => Loss::Pages(seed),
        });
        let store = place.open().await;
        check(&store, durable, &format!("seed {seed}")).await;
        let there = points(
            &store,
            &Selector::metric("cpu").with("node", stead_ports::history::Op::Equal, "2"),
            START,
            START + HOUR,
            10_000,
        )
        .await;
        live(&store, &place, there.len() as i64 / 7 * 7, 3).await;
    }
}

/// A sync that failed leaves bytes that are read and on no disk. Whoever starts then does not know that it failed: what it
/// syncs itself must not lie behind them.
#[tokio::test]
async fn what_is_synced_after_a_restart_hangs_on_nothing_that_was_only_read() {
    for (synced, flushed) in [(false, false), (true, false), (false, true), (true, true)] {
        let told = format!("synced {synced}, flushed {flushed}");
        let place = Place::server();
        let store = place.open().await;
        let before = live(&store, &place, 0, 1).await;
        if synced {
            store.sync().await.unwrap();
        }
        if flushed {
            store.flush().await.unwrap();
        }
        let more = live(&store, &place, before, 1).await;
        // The kernel's own write-back fails: nobody is told.
        let disk = place.disk.mount();
        for path in disk.list(Path::new(DIR)).unwrap() {
            let file = disk.open(&path, Open::Existing).unwrap();
            place.disk.arm(Fault::SyncError);
            file.sync().unwrap_err();
        }
        place.disk.disarm();
        let store = place.open().await;
        let after = live(&store, &place, more, 1).await;
        store.sync().await.unwrap();
        place.disk.cut_power(Loss::Unsynced);
        let store = place.open().await;
        let kept = store
            .range(&Range {
                selector: Selector::metric("cpu"),
                from: Time(START),
                to: Time(START + HOUR),
                step: Span::secs(10),
            })
            .await
            .unwrap();
        assert_eq!(kept.len(), 3, "{told}");
        let wanted: Vec<i64> = (more..after).map(|n| START + n * 10_000).collect();
        for series in kept {
            let times: Vec<i64> = series.points.iter().map(|p| p.at.0).collect();
            assert!(times.ends_with(&wanted), "{told}: {times:?}");
        }
    }
}

#[tokio::test]
async fn starts_again_and_again_leave_few_files() {
    let place = Place::server();
    let mut from = 0;
    for _ in 0..40 {
        let store = place.open().await;
        from = live(&store, &place, from, 1).await;
        store.keep().await.unwrap();
        let files = place.disk.mount().list(Path::new(DIR)).unwrap();
        assert!(files.len() < 24, "{files:?}");
    }
    check(&place.open().await, from, "after all of them").await;
}

#[tokio::test]
async fn a_sync_is_due_within_its_time_and_no_append_waits_for_one() {
    let place = Place::server();
    let store = place.open().await;
    let accepted = live(&store, &place, 0, 1).await;
    place.pass(5 * SECOND);
    store.keep().await.unwrap();
    place.disk.cut_power(Loss::Unsynced);
    check(&place.open().await, accepted, "after the sync").await;
}

#[tokio::test]
async fn f4_damage_is_counted_and_hides_no_more_than_it_hit() {
    let place = Place::server();
    let store = place.open().await;
    live(&store, &place, 0, 12).await;
    store.flush().await.unwrap();
    drop(store);
    let disk = place.disk.mount();
    let files = stead_ports::disk::Disk::list(&*disk, Path::new(DIR)).unwrap();
    let mut told = 0;
    for path in &files {
        let size = place.disk.bytes(path).unwrap().len();
        for byte in (0..size).step_by(7) {
            place.disk.flip(path, byte, 3);
            match place.try_open().await {
                Ok(store) => {
                    for s in 0..3 {
                        let selector = Selector::metric("cpu").with(
                            "node",
                            stead_ports::history::Op::Equal,
                            &s.to_string(),
                        );
                        let fine = points(&store, &selector, START, START + HOUR, 10_000).await;
                        for point in &fine {
                            assert_eq!(
                                point.avg,
                                value(s, (point.at.0 - START) / 10_000),
                                "{path:?} {byte}"
                            );
                        }
                    }
                    told += u64::from(store.stats().damaged > 0);
                }
                Err(error) => {
                    assert_eq!(error.code(), "history-damaged", "{path:?} {byte}");
                    told += 1;
                }
            }
            restore(&place, path, byte);
        }
    }
    assert!(told > 20, "{told}");
}

/// The bit as it was; a part that was set aside under its name again.
fn restore(place: &Place, path: &Path, byte: usize) {
    let disk = place.disk.mount();
    let aside = path.with_extension("damaged");
    if place.disk.bytes(&aside).is_some() {
        stead_ports::disk::Disk::rename(&*disk, &aside, path).unwrap();
    }
    place.disk.flip(path, byte, 3);
}
