//! The fake keeps the port's promises, and loses exactly what it is told to.

use super::*;
use crate::disk::{aside, conformance, replace};

fn root() -> &'static Path {
    Path::new("/d")
}

/// A disk with `/d` and an empty, durable file in it.
fn one_file() -> (MemoryDisk, Arc<Mount>, Arc<dyn File>) {
    let disk = MemoryDisk::new();
    let mount = disk.mount();
    mount.create_dir(root()).expect("made");
    let file = mount.open(&root().join("f"), Open::New).expect("new");
    mount.sync_dir(root()).expect("sync");
    (disk, mount, file)
}

fn held(disk: &MemoryDisk) -> Option<Vec<u8>> {
    disk.bytes(&root().join("f"))
}

#[tokio::test]
async fn the_fake_conforms() {
    let mount = MemoryDisk::new().mount();
    mount.create_dir(root()).expect("made");
    conformance::run(&*mount, root()).await;
}

#[test]
fn a_kill_keeps_what_was_written_and_a_power_cut_only_what_was_synced() {
    let (disk, mount, file) = one_file();
    file.write_at(b"synced", 0).expect("write");
    file.sync().expect("sync");
    file.write_at(b" and not", 6).expect("write");
    disk.kill();
    assert_eq!(held(&disk).expect("there"), b"synced and not");
    assert!(file.write_at(b"x", 0).is_err(), "the dead write nothing");
    assert!(mount.remove(&root().join("f")).is_err() && !mount.is_alive());
    disk.cut_power(Loss::Unsynced);
    assert_eq!(held(&disk).expect("there"), b"synced");
}

#[test]
fn a_name_is_durable_once_its_folder_is() {
    let (disk, mount, _) = one_file();
    let path = root().join("g");
    mount
        .open(&path, Open::New)
        .expect("new")
        .sync()
        .expect("sync");
    mount.remove(&root().join("f")).expect("remove");
    disk.cut_power(Loss::Unsynced);
    assert_eq!(disk.bytes(&path), None);
    assert!(held(&disk).is_some(), "its removal was not durable either");
    let mount = disk.mount();
    replace(&*mount, &path, b"whole").expect("replace");
    disk.cut_power(Loss::Unsynced);
    assert_eq!(disk.bytes(&path).expect("there"), b"whole");
}

#[test]
fn the_last_write_can_be_torn_and_pages_can_be_drawn() {
    let (disk, _, file) = one_file();
    file.write_at(b"first", 0).expect("write");
    file.write_at(b"second", 5).expect("write");
    disk.cut_power(Loss::Torn(2));
    assert_eq!(held(&disk).expect("there"), b"firstse");
    let drawn = |seed| {
        let (disk, _, file) = one_file();
        for page in 0..40 {
            file.write_at(&[b'x'; 4096], page * 4096).expect("write");
        }
        disk.cut_power(Loss::Pages(seed));
        held(&disk).expect("there")
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    assert!(drawn(1).contains(&0) && drawn(1).contains(&b'x'));
}

#[test]
fn after_a_failed_sync_a_second_one_says_nothing_about_the_first() {
    let (disk, _, file) = one_file();
    file.write_at(b"lost", 0).expect("write");
    disk.arm(Fault::SyncError);
    let error = file.sync().expect_err("F2");
    assert_eq!(error.raw_os_error(), Some(5));
    file.write_at(b"kept", 4).expect("write");
    file.sync().expect("the kernel says it is fine");
    assert_eq!(held(&disk).expect("there"), b"lostkept");
    disk.cut_power(Loss::Unsynced);
    assert_eq!(held(&disk).expect("there"), b"\0\0\0\0kept");
}

#[test]
fn a_full_disk_takes_what_fits_and_more_once_there_is_room() {
    let (disk, mount, file) = one_file();
    disk.set_room(Some(3));
    let error = file.write_at(b"hello", 0).expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(held(&disk).expect("there"), b"hel");
    file.write_at(b"abc", 0).expect("what is there is its own");
    assert!(mount.open(&root().join("g"), Open::New).is_err());
    file.set_size(1).expect("cut");
    file.write_at(b"bc", 1).expect("room again");
    disk.set_room(None);
    file.write_at(b"hello", 0).expect("write");
}

#[test]
fn a_kill_strikes_at_each_boundary() {
    for (boundary, left) in [
        (Boundary::Before, &b""[..]),
        (Boundary::Within(2), b"he"),
        (Boundary::After, b"hello"),
    ] {
        let (disk, mount, file) = one_file();
        disk.arm(Fault::Kill(boundary));
        assert!(file.write_at(b"hello", 0).is_err());
        assert!(disk.was_killed() && !mount.is_alive());
        assert_eq!(held(&disk).expect("there"), left, "{boundary:?}");
        disk.mount();
        assert!(!disk.was_killed());
    }
    let (disk, _, file) = one_file();
    disk.arm_after(1, Fault::Kill(Boundary::After));
    file.write_at(b"a", 0).expect("the first is good");
    assert!(file.sync().is_err());
    disk.cut_power(Loss::Unsynced);
    assert_eq!(
        held(&disk).expect("there"),
        b"a",
        "only the answer is missing"
    );
}

#[test]
fn a_bit_flips_and_a_write_fails_on_request() {
    let (disk, _, file) = one_file();
    file.write_at(b"a", 0).expect("write");
    assert!(disk.flip(&root().join("f"), 0, 1));
    assert!(!disk.flip(&root().join("f"), 9, 1));
    assert_eq!(held(&disk).expect("there"), b"c");
    disk.arm(Fault::WriteError(1));
    file.sync().expect("it is about a write");
    assert_eq!(
        file.write_at(b"xy", 1).expect_err("EIO").raw_os_error(),
        Some(5)
    );
    assert_eq!(held(&disk).expect("there"), b"cx");
}

#[tokio::test(start_paused = true)]
async fn work_aside_stays_on_the_thread_takes_its_time_and_ends_with_its_process() {
    let (disk, mount, file) = one_file();
    let here = std::thread::current().id();
    disk.set_slow(Duration::from_secs(2));
    let begun = tokio::time::Instant::now();
    let there = aside(&*mount, || std::thread::current().id()).await;
    assert_eq!(there.expect("done"), here);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    disk.arm(Fault::Kill(Boundary::After));
    let work = aside(&*mount, move || file.write_at(b"x", 0));
    let waited = tokio::time::timeout(Duration::from_secs(60), work).await;
    assert!(waited.is_err(), "nobody is left to hear of it");
    assert_eq!(held(&disk).expect("there"), b"x");
}
