//! Spool, journal and bundle on a disk that breaks: killed at each change, power cut after it, syncs that fail. What was
//! said to be safe is there afterwards, whatever happened.

use std::path::Path;
use std::sync::Arc;

use stead_agent::bundle::Store;
use stead_agent::clock::Stamp;
use stead_agent::journal::Journal;
use stead_agent::journal::ledger::{Entry, Intent, Key, Standing};
use stead_agent::spool::{Options, Position, Read, Spool};
use stead_core::command::{Command, Order, Outcome};
use stead_core::desired::Bundle;
use stead_core::time::Time;
use stead_ports::disk::memory::{Boundary, Fault, Loss, MemoryDisk};

const BOUNDARIES: [Boundary; 5] = [
    Boundary::Before,
    Boundary::Within(0),
    Boundary::Within(1),
    Boundary::Within(40),
    Boundary::After,
];

/// What is left after a process was killed: everything, or less where the power went as well.
fn losses() -> Vec<Option<Loss>> {
    let mut losses = vec![None, Some(Loss::Unsynced)];
    losses.extend([0, 1, 17, 90].map(|keep| Some(Loss::Torn(keep))));
    losses.extend((0..12).map(|seed| Some(Loss::Pages(seed))));
    losses
}

/// Runs `work` once for each change it makes, each boundary of it where it can be killed or a sync that fails, and each
/// loss; then looks with `check`.
async fn everywhere<S: Default, W, F>(work: W, check: impl Fn(&MemoryDisk, &S, &str))
where
    W: Fn(MemoryDisk, Arc<std::sync::Mutex<S>>) -> F,
    F: Future<Output = ()>,
{
    let disk = MemoryDisk::new();
    work(disk.clone(), Arc::default()).await;
    let changes = disk.changes();
    assert!(changes > 10, "{changes} are too few to prove anything");
    for skip in 0..changes {
        let kills = BOUNDARIES.map(Fault::Kill);
        for fault in kills.into_iter().chain([Fault::SyncError]) {
            for loss in losses() {
                let (disk, safe) = (MemoryDisk::new(), Arc::default());
                disk.arm_after(skip, fault);
                // The dead hear nothing: work that was killed within a sync never ends.
                let ended = work(disk.clone(), Arc::clone(&safe));
                let _ = tokio::time::timeout(std::time::Duration::from_secs(1), ended).await;
                let lives = fault == Fault::SyncError;
                assert!(
                    lives || disk.was_killed(),
                    "change {skip} of {changes} never came"
                );
                disk.disarm();
                if let Some(loss) = loss {
                    disk.cut_power(loss);
                }
                let what = format!("change {skip}, {fault:?}, {loss:?}");
                check(&disk, &safe.lock().expect("lock"), &what);
            }
        }
    }
}

fn stamp() -> Stamp {
    Stamp {
        at: Time(0),
        boot: "boot-1".into(),
        up: 1,
    }
}

fn order(n: u32) -> Order {
    Order {
        action: "disk-cleanup-piha".into(),
        occurrence: n,
        step: 0,
        attempt: 1,
        token: u64::from(n),
        ..crate::server::order(n, u64::from(n), "node/piha", cleanup())
    }
}

fn cleanup() -> Command {
    Command::DiskCleanup {
        build_cache: true,
        dangling_images: false,
    }
}

fn intent(n: u32) -> Entry {
    Entry::Intent(Box::new(Intent {
        order: order(n),
        evidence: Default::default(),
        stamp: stamp(),
    }))
}

fn result(n: u32) -> Entry {
    let outcome = Outcome::Done {
        output: format!("result {n}"),
        freed: None,
    };
    Entry::Result {
        key: Key::of(&order(n)),
        outcome,
    }
}

fn journal_dir() -> &'static Path {
    Path::new("/agent/journal")
}

/// What a journal said is on disk: orders begun, orders ended.
type Written = (Vec<u32>, Vec<u32>);

async fn keep_a_journal(disk: MemoryDisk, safe: Arc<std::sync::Mutex<Written>>) {
    let Ok((journal, _)) = Journal::open(disk.mount(), journal_dir()) else {
        return;
    };
    for n in 1..=4 {
        if journal.write(intent(n), &stamp()).await.is_err() {
            return;
        }
        safe.lock().expect("lock").0.push(n);
        if n == 3 {
            continue;
        }
        if journal.write(result(n), &stamp()).await.is_err() {
            return;
        }
        safe.lock().expect("lock").1.push(n);
    }
}

#[tokio::test(start_paused = true)]
async fn no_intent_and_no_result_is_forgotten_wherever_it_is_killed_and_the_power_cut() {
    everywhere(keep_a_journal, |disk, (begun, ended), what| {
        let (journal, _) = Journal::open(disk.mount(), journal_dir())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        for n in begun {
            let standing = journal.ledger().standing(&Key::of(&order(*n)));
            match standing {
                Standing::Ended(Outcome::Done { output, .. }) => {
                    assert_eq!(output, format!("result {n}"), "{what}");
                }
                // The result may be on disk although nobody was told; never the other way round.
                Standing::Open => assert!(!ended.contains(n), "{what}: result {n} is forgotten"),
                other => panic!("{what}: order {n} is forgotten: {other:?}"),
            }
        }
    })
    .await;
}

/// F2 on the agent: nobody knows what is on disk, so nothing more is begun until it was read back.
#[tokio::test]
async fn after_a_failed_sync_nothing_is_begun_until_a_restart() {
    let disk = MemoryDisk::new();
    let (journal, _) = Journal::open(disk.mount(), journal_dir()).expect("open");
    journal.write(intent(1), &stamp()).await.expect("written");
    disk.arm(Fault::SyncError);
    for n in [2, 3] {
        let error = journal
            .write(intent(n), &stamp())
            .await
            .expect_err("nothing is begun");
        assert_eq!(error.code(), "journal-failed");
        assert!(error.remedy().contains("restart"));
        assert_eq!(
            journal.ledger().standing(&Key::of(&order(n))),
            Standing::New
        );
    }
    disk.cut_power(Loss::Unsynced);
    let (journal, _) = Journal::open(disk.mount(), journal_dir()).expect("open");
    assert_eq!(
        journal.ledger().standing(&Key::of(&order(1))),
        Standing::Open
    );
    journal
        .write(intent(2), &stamp())
        .await
        .expect("works again");
}

/// F2, then F1, then the power: what is written behind a line that only the page cache has is as good as any other.
#[tokio::test]
async fn a_restart_after_a_failed_sync_builds_on_nothing_that_is_not_on_disk() {
    let disk = MemoryDisk::new();
    let (journal, _) = Journal::open(disk.mount(), journal_dir()).expect("open");
    disk.arm(Fault::SyncError);
    let failed = journal.write(intent(1), &stamp()).await;
    assert_eq!(failed.expect_err("not on disk").code(), "journal-failed");
    let (journal, _) = Journal::open(disk.mount(), journal_dir()).expect("open");
    journal.write(intent(2), &stamp()).await.expect("written");
    disk.cut_power(Loss::Unsynced);
    let (journal, torn) = Journal::open(disk.mount(), journal_dir()).expect("open");
    let standing = journal.ledger().standing(&Key::of(&order(2)));
    assert_eq!((standing, torn), (Standing::Open, false));

    let disk = MemoryDisk::new();
    let mut spool = open(&disk, "boot-1").expect("open");
    disk.arm(Fault::SyncError);
    spool.append(|_| b"first\n".to_vec()).expect("append");
    sync(&mut spool).await.expect_err("not on disk");
    let mut spool = open(&disk, "boot-1").expect("open");
    spool.append(|_| b"second\n".to_vec()).expect("append");
    sync(&mut spool).await.expect("on disk");
    both_are_there_after_a_power_cut(&disk, &spool);
}

/// F2, then the power: a later sync that succeeds says nothing of what an earlier one failed for, unless it was written anew.
#[tokio::test]
async fn what_a_failed_sync_was_about_is_kept_by_the_next_one() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk, "boot-1").expect("open");
    spool.append(|_| b"first\n".to_vec()).expect("append");
    for _ in 0..2 {
        disk.arm(Fault::SyncError);
        sync(&mut spool).await.expect_err("not on disk");
        assert_eq!(spool.synced(), 0);
    }
    // Into another file.
    spool.append(|_| b"second\n".to_vec()).expect("append");
    sync(&mut spool).await.expect("on disk");
    both_are_there_after_a_power_cut(&disk, &spool);
}

async fn sync(spool: &mut Spool) -> std::io::Result<()> {
    let synced = spool.take_dirty().sync_aside().await?;
    spool.note_synced(synced)
}

fn both_are_there_after_a_power_cut(disk: &MemoryDisk, spool: &Spool) {
    assert_eq!(spool.synced(), 2);
    disk.cut_power(Loss::Unsynced);
    let spool = open(disk, "boot-2").expect("open");
    let (mut position, mut all) = (Position::after(0), Vec::new());
    while let Read::Frames(more) = spool.read(&mut position, 1 << 10, true).expect("read") {
        all.extend(more);
    }
    assert_eq!(all, b"first\nsecond\n");
}

#[test]
fn no_cursor_is_given_twice_where_one_power_cut_follows_another() {
    let disk = MemoryDisk::new();
    let mut given = Vec::new();
    for boot in ["boot-1", "boot-2", "boot-3", "boot-4"] {
        let mut spool = open(&disk, boot).expect("open");
        if given.is_empty() {
            given.push(spool.append(|_| b"kept\n".to_vec()).expect("append"));
            let synced = spool.take_dirty().sync();
            spool.note_synced(synced).expect("on disk");
        }
        // Sent at once, on disk never.
        given.push(spool.append(|_| b"sent\n".to_vec()).expect("append"));
        disk.cut_power(Loss::Unsynced);
    }
    assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
}

fn spool_dir() -> &'static Path {
    Path::new("/agent/spool")
}

fn open(disk: &MemoryDisk, boot: &str) -> Result<Spool, stead_agent::spool::Error> {
    let small = Options {
        bound: 1 << 20,
        segment: 200,
    };
    Spool::open(disk.mount(), spool_dir(), small, boot, [3; 16]).map(|(spool, _)| spool)
}

/// Cursor up to which frames were said to be on disk, and the newest that was given.
type Spooled = (u64, u64);

async fn spool_frames(disk: MemoryDisk, safe: Arc<std::sync::Mutex<Spooled>>) {
    let Ok(mut spool) = open(&disk, "boot-1") else {
        return;
    };
    for n in 0..9u64 {
        if let Ok(cursor) = spool.append(|cursor| format!("{cursor}\n").into_bytes()) {
            safe.lock().expect("lock").1 = cursor;
        }
        if n.is_multiple_of(2) {
            // Where it fails nothing counts as safe.
            let _ = sync(&mut spool).await;
            safe.lock().expect("lock").0 = spool.synced();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_synced_frame_is_lost_and_no_cursor_given_twice_wherever_it_is_killed() {
    everywhere(spool_frames, |disk, (synced, given), what| {
        let mut spool = open(disk, "boot-2").unwrap_or_else(|error| panic!("{what}: {error}"));
        let (mut position, mut read) = (Position::after(0), Vec::new());
        loop {
            match spool.read(&mut position, 64, true).expect("read") {
                Read::Frames(bytes) => {
                    let text = String::from_utf8(bytes).expect("whole frames");
                    read.extend(text.lines().map(|l| l.parse::<u64>().expect("a cursor")));
                }
                Read::Gap(_) => {}
                Read::End => break,
            }
        }
        assert!(read.is_sorted_by(|a, b| a < b), "{what}: {read:?}");
        for cursor in 1..=*synced {
            assert!(read.contains(&cursor), "{what}: {cursor} not in {read:?}");
        }
        // A spool of which nothing was durable begins anew, under another name in earnest.
        let next = spool
            .append(|cursor| format!("{cursor}\n").into_bytes())
            .expect("append");
        if *synced > 0 {
            assert!(next > *given, "{what}: {next} was given before");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bundle_is_the_old_one_or_the_new_one() {
    let store = |disk: &MemoryDisk| Store::at(disk.mount(), "/agent/bundle.json".into());
    let bundle = |digest: &str| Bundle {
        digest: digest.repeat(40),
        ..Default::default()
    };
    let save = |disk: MemoryDisk, kept: Arc<std::sync::Mutex<Option<u32>>>| async move {
        let mount = disk.mount();
        if stead_ports::disk::Disk::create_dir(&*mount, Path::new("/agent")).is_err() {
            return;
        }
        let store = Store::at(mount, "/agent/bundle.json".into());
        for n in 1..=3 {
            if store.save(Arc::new(bundle(&n.to_string()))).await.is_err() {
                return;
            }
            *kept.lock().expect("lock") = Some(n);
        }
    };
    everywhere(save, |disk, kept, what| {
        let (found, kept) = (store(disk).load(), kept.unwrap_or(0));
        let whole = [kept, kept + 1]
            .iter()
            .any(|n| found == bundle(&n.to_string()) || *n == 0 && found == Bundle::default());
        assert!(whole, "{what}: {} after {kept}", found.digest);
    })
    .await;
}
