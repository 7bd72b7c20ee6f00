use super::*;
use crate::record;
use proptest::prelude::*;
use std::fs::{self, File};
use stead_ports::disk::RealDisk;

const ID: [u8; 16] = [7; 16];

fn reopen(dir: &Path, options: Options, boot: &str) -> (Spool, Opened) {
    Spool::open(Arc::new(RealDisk), dir, options, boot, ID).expect("the spool opens")
}

fn open(dir: &Path, options: Options) -> (Spool, Opened) {
    reopen(dir, options, "boot-1")
}

fn frame(cursor: u64, size: usize) -> Vec<u8> {
    format!("{cursor}:{}\n", "x".repeat(size)).into_bytes()
}

fn put(spool: &mut Spool, size: usize) -> u64 {
    spool.append(|cursor| frame(cursor, size)).expect("append")
}

const SMALL_FILES: Options = Options {
    bound: 1 << 20,
    segment: 300,
};

fn ten_in_small_files(dir: &Path) -> Spool {
    let (mut spool, _) = open(dir, SMALL_FILES);
    for _ in 0..10 {
        put(&mut spool, 80);
    }
    spool
}

/// Cursors of the frames read, and how many a gap says were dropped.
fn read_all(spool: &Spool, position: &mut Position, max: usize) -> (Vec<u64>, u64) {
    let (mut cursors, mut dropped) = (Vec::new(), 0);
    loop {
        match spool.read(position, max, true).expect("read") {
            Read::End => return (cursors, dropped),
            Read::Gap(gap) => dropped += gap.dropped,
            Read::Frames(bytes) => {
                for line in String::from_utf8(bytes).expect("text").lines() {
                    cursors.push(
                        line.split(':')
                            .next()
                            .and_then(|n| n.parse().ok())
                            .expect("whole frames"),
                    );
                }
            }
        }
    }
}

#[test]
fn what_was_appended_is_read_back_in_order_after_opening_again() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut spool, opened) = open(dir.path(), Options::default());
    assert_eq!(opened, Opened::default());
    for n in 0..100 {
        put(&mut spool, n);
    }
    let id = spool.id();
    drop(spool);
    let (mut spool, opened) = open(dir.path(), Options::default());
    assert_eq!((spool.id(), opened), (id, Opened::default()));
    assert_eq!(put(&mut spool, 3), 101);
    let mut position = Position::after(40);
    assert_eq!(
        read_all(&spool, &mut position, 64),
        ((41..=101).collect(), 0)
    );
    put(&mut spool, 1);
    assert_eq!(read_all(&spool, &mut position, 64), (vec![102], 0));
}

#[test]
fn a_torn_tail_is_dropped_and_its_cursor_given_again() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut spool, _) = open(dir.path(), Options::default());
    put(&mut spool, 10);
    put(&mut spool, 10);
    let (path, len) = spool
        .segments
        .back()
        .map(|s| (s.path.clone(), s.len))
        .expect("a file");
    drop(spool);
    File::options()
        .write(true)
        .open(path)
        .and_then(|f| f.set_len(len - 1))
        .expect("tear");
    let (mut spool, opened) = open(dir.path(), Options::default());
    assert!(opened.torn && !opened.damaged);
    assert_eq!(put(&mut spool, 1), 2);
    assert_eq!(
        read_all(&spool, &mut Position::after(0), 1000),
        (vec![1, 2], 0)
    );
}

#[test]
fn damage_in_the_middle_is_a_gap_and_not_silence() {
    let dir = tempfile::tempdir().expect("dir");
    let spool = ten_in_small_files(dir.path());
    let oldest = spool
        .segments
        .front()
        .map(|s| s.path.clone())
        .expect("a file");
    drop(spool);
    let mut bytes = fs::read(&oldest).expect("read");
    let at = segment::HEADER as usize + 20;
    bytes[at] ^= 1;
    fs::write(&oldest, bytes).expect("write");
    let (spool, opened) = open(dir.path(), SMALL_FILES);
    assert!(opened.damaged);
    let (cursors, dropped) = read_all(&spool, &mut Position::after(0), 1000);
    assert!(dropped > 0);
    assert_eq!(cursors.len() as u64 + dropped, 10);
    assert_eq!(cursors.last(), Some(&10));
}

#[test]
fn frames_that_are_missing_between_two_files_are_told_once() {
    let dir = tempfile::tempdir().expect("dir");
    let spool = ten_in_small_files(dir.path());
    let second = spool.segments.get(1).map(|s| (s.path.clone(), s.last));
    let (path, last) = second.expect("a file");
    drop(spool);
    // Its frames were never on disk, its header was; the file after it was.
    File::options()
        .write(true)
        .open(path)
        .and_then(|f| f.set_len(segment::HEADER))
        .expect("cut");
    for _ in 0..2 {
        let (spool, opened) = open(dir.path(), SMALL_FILES);
        assert!(!opened.damaged);
        let (cursors, dropped) = read_all(&spool, &mut Position::after(0), 1000);
        assert!(dropped > 0 && !cursors.contains(&last));
        assert_eq!(cursors.len() as u64 + dropped, 10);
    }
}

#[test]
fn after_a_power_cut_no_cursor_is_given_twice_and_after_a_clean_end_none_is_left_out() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut spool, _) = open(dir.path(), Options::default());
    put(&mut spool, 1);
    drop(spool);
    let (mut spool, opened) = reopen(dir.path(), Options::default(), "boot-2");
    assert!(opened.power_cut);
    assert_eq!(put(&mut spool, 1), 2 + JUMP);
    spool.close().expect("close");
    let (mut spool, opened) = reopen(dir.path(), Options::default(), "boot-3");
    assert!(!opened.power_cut);
    assert_eq!(put(&mut spool, 1), 3 + JUMP);
    assert_eq!(
        read_all(&spool, &mut Position::after(0), 100).0,
        [1, 2 + JUMP, 3 + JUMP]
    );
}

#[test]
fn confirmed_files_go_and_the_cursor_stays() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut spool, _) = open(
        dir.path(),
        Options {
            bound: 1 << 20,
            segment: 10_000,
        },
    );
    for _ in 0..100 {
        put(&mut spool, 2000);
    }
    spool.ack(50);
    assert_eq!(spool.first(), 51);
    spool.ack(1000);
    assert!(spool.size() <= 2 * SMALL, "{}", spool.size());
    assert_eq!((spool.first(), spool.last()), (101, 100));
    drop(spool);
    let (mut spool, _) = open(dir.path(), Options::default());
    assert_eq!(put(&mut spool, 1), 101);
}

#[test]
fn a_full_spool_keeps_the_newest_and_counts_the_rest() {
    let dir = tempfile::tempdir().expect("dir");
    let small = Options {
        bound: 20_000,
        segment: 2_000,
    };
    let (mut spool, _) = open(dir.path(), small);
    let mut slow = Position::after(0);
    for _ in 0..10 {
        put(&mut spool, 100);
    }
    assert_eq!(read_all(&spool, &mut slow, 1), ((1..=10).collect(), 0));
    for _ in 0..1000 {
        put(&mut spool, 100);
    }
    assert!(spool.size() <= small.bound);
    drop(spool);
    let (spool, _) = open(dir.path(), small);
    let (cursors, dropped) = read_all(&spool, &mut Position::after(0), 500);
    assert_eq!(
        cursors.len() as u64 + dropped,
        1010,
        "every frame is read or counted"
    );
    assert_eq!(cursors.last(), Some(&1010));
    let (later, _) = read_all(&spool, &mut slow, 500);
    assert_eq!(
        later, cursors,
        "one that reads on is told of the gap as well"
    );
}

#[test]
fn a_server_that_knows_more_than_the_spool_is_believed() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut spool, _) = open(dir.path(), Options::default());
    put(&mut spool, 1);
    spool.skip_to(500).expect("skip");
    assert_eq!(put(&mut spool, 1), 501);
    assert_eq!(read_all(&spool, &mut Position::after(500), 100).0, [501]);
}

#[test]
fn a_failed_append_leaves_a_gap_and_the_rest_whole() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut spool, _) = open(dir.path(), Options::default());
    put(&mut spool, 1);
    let error = spool
        .append(|_| vec![b'x'; record::MOST + 1])
        .expect_err("too large");
    assert_eq!(error.code(), "spool-io");
    put(&mut spool, 1);
    let mut position = Position::after(0);
    assert!(matches!(
        spool.read(&mut position, 10, true),
        Ok(Read::Frames(_))
    ));
    assert_eq!(
        spool.read(&mut position, 10, true).expect("read"),
        Read::Gap(Gap {
            from: 2,
            to: 2,
            dropped: 1
        })
    );
    assert_eq!(read_all(&spool, &mut position, 10), (vec![3], 0));
}

#[derive(Debug, Clone)]
enum Op {
    Append(usize),
    Hole,
    Sync,
    Ack,
    Read(usize),
    Reopen,
    /// Killed after losing this share of what was not synced.
    Cut(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0usize..400).prop_map(Op::Append),
        1 => Just(Op::Hole),
        1 => Just(Op::Sync),
        1 => Just(Op::Ack),
        2 => (1usize..2000).prop_map(Op::Read),
        1 => Just(Op::Reopen),
        1 => any::<u8>().prop_map(Op::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Against a model: whatever happens, a reader that resumes gets each frame that was synced or acknowledged exactly
    /// once and in order.
    #[test]
    fn no_synced_frame_is_lost_none_comes_twice_and_order_is_kept(ops in prop::collection::vec(op(), 1..120)) {
        let dir = tempfile::tempdir().expect("dir");
        let options = Options { bound: 1 << 24, segment: 1500 };
        let (mut spool, _) = open(dir.path(), options);
        let mut given: Vec<u64> = Vec::new();
        let mut got: Vec<u64> = Vec::new();
        let mut position = Position::after(0);
        // Byte length of each file when it was last synced.
        let mut safe: std::collections::BTreeMap<PathBuf, u64> = Default::default();
        let mut synced = 0;
        for op in ops {
            match op {
                Op::Append(size) => given.push(put(&mut spool, size)),
                Op::Hole => { spool.reserve(); }
                Op::Sync => {
                    let done = spool.take_dirty().sync();
                    spool.note_synced(done).expect("on disk");
                    safe = spool.segments.iter().map(|s| (s.path.clone(), s.len)).collect();
                    synced = given.last().copied().unwrap_or(0);
                    prop_assert!(spool.synced() >= synced);
                }
                Op::Ack => spool.ack(position.after),
                Op::Read(max) => {
                    if let Read::Frames(bytes) = spool.read(&mut position, max, true).expect("read") {
                        for line in String::from_utf8(bytes).expect("text").lines() {
                            got.push(line.split(':').next().and_then(|n| n.parse().ok()).expect("whole"));
                        }
                    }
                }
                Op::Reopen => {
                    let after = position.after;
                    drop(spool);
                    spool = open(dir.path(), options).0;
                    position = Position::after(after);
                }
                Op::Cut(share) => {
                    // What a reader has got is durable at the server; what it has not and was not synced may be gone.
                    let newest = spool.segments.back().map(|s| (s.path.clone(), s.len)).expect("a file");
                    drop(spool);
                    // A file whose header is gone would mean a new spool: cursors begin again under another ID.
                    let floor = safe.get(&newest.0).copied().unwrap_or(segment::HEADER);
                    let len = floor + (newest.1 - floor.min(newest.1)) * u64::from(share) / 255;
                    File::options().write(true).open(&newest.0).and_then(|f| f.set_len(len)).expect("cut");
                    let boot = format!("boot-{}", rand(&given, share));
                    spool = reopen(dir.path(), options, &boot).0;
                    let last = spool.segments.iter().rev().find(|s| s.last >= s.first).map_or(0, |s| s.last);
                    prop_assert!(last >= synced || position.after >= synced);
                    given.retain(|c| *c <= last || got.contains(c));
                    position = Position::after(position.after);
                    safe.clear();
                }
            }
        }
        loop {
            let before = position.after;
            if let Read::Frames(bytes) = spool.read(&mut position, 4096, true).expect("read") {
                for line in String::from_utf8(bytes).expect("text").lines() {
                    got.push(line.split(':').next().and_then(|n| n.parse().ok()).expect("whole"));
                }
            }
            if position.after == before { break; }
        }
        prop_assert_eq!(got, given);
    }
}

/// A boot ID that differs each time.
fn rand(given: &[u64], share: u8) -> u64 {
    given.last().copied().unwrap_or(0) * 256 + u64::from(share)
}
