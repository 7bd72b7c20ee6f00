//! What every disk must do, for whoever implements the port. Panics name the promise that was broken.

use std::io::ErrorKind;
use std::path::Path;

use super::{Disk, Open, aside, replace, swap};

/// Runs everything in `root`, a folder that is there and empty.
pub async fn run(disk: &dyn Disk, root: &Path) {
    folders_are_made_with_those_above_and_listed_in_order(disk, &root.join("folders"));
    each_way_of_opening_keeps_its_word(disk, &root.join("opening"));
    bytes_are_read_back_where_they_were_written(disk, &root.join("bytes"));
    a_rename_replaces_whole(disk, &root.join("renames"));
    an_open_file_outlives_its_name(disk, &root.join("names"));
    work_aside_comes_back_with_its_result(disk).await;
}

fn kind<T: std::fmt::Debug>(result: std::io::Result<T>) -> ErrorKind {
    result.expect_err("this must be refused").kind()
}

fn folders_are_made_with_those_above_and_listed_in_order(disk: &dyn Disk, root: &Path) {
    let deep = root.join("a/b");
    disk.create_dir(&deep).expect("made");
    disk.create_dir(&deep).expect("there already");
    assert_eq!(disk.list(root).expect("list"), [root.join("a")]);
    for name in ["2", "10", "1"] {
        disk.open(&deep.join(name), Open::New).expect("new");
    }
    let names = ["1", "10", "2"].map(|name| deep.join(name));
    assert_eq!(disk.list(&deep).expect("list"), names);
    assert_eq!(kind(disk.list(&root.join("none"))), ErrorKind::NotFound);
    assert_eq!(
        kind(disk.open(&root.join("none/file"), Open::OrCreate)),
        ErrorKind::NotFound
    );
    disk.sync_dir(&deep).expect("sync");
}

fn each_way_of_opening_keeps_its_word(disk: &dyn Disk, root: &Path) {
    disk.create_dir(root).expect("made");
    let path = root.join("file");
    assert_eq!(kind(disk.open(&path, Open::Existing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.read(&path)), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove(&path)), ErrorKind::NotFound);
    let file = disk.open(&path, Open::New).expect("new");
    file.write_at(b"kept", 0).expect("write");
    assert_eq!(kind(disk.open(&path, Open::New)), ErrorKind::AlreadyExists);
    for how in [Open::Existing, Open::OrCreate] {
        assert_eq!(
            disk.open(&path, how).expect("open").size().expect("size"),
            4
        );
    }
    let emptied = disk.open(&path, Open::Empty).expect("open");
    assert_eq!(emptied.size().expect("size"), 0);
    assert_eq!(file.size().expect("size"), 0, "both are the same file");
}

fn bytes_are_read_back_where_they_were_written(disk: &dyn Disk, root: &Path) {
    disk.create_dir(root).expect("made");
    let file = disk.open(&root.join("file"), Open::New).expect("new");
    file.write_at(b"hello", 0).expect("write");
    file.write_at(b"world", 7).expect("write beyond the end");
    let mut buffer = [b'x'; 20];
    assert_eq!(file.read_at(&mut buffer, 0).expect("read"), 12);
    assert_eq!(&buffer[..12], b"hello\0\0world");
    assert_eq!(file.read_at(&mut buffer[..3], 8).expect("read"), 3);
    assert_eq!(&buffer[..3], b"orl");
    assert_eq!(file.read_at(&mut buffer, 12).expect("read"), 0);
    assert_eq!(file.read_at(&mut buffer, 99).expect("read"), 0);
    file.set_size(3).expect("cut");
    file.set_size(5).expect("grow");
    file.sync().expect("sync");
    assert_eq!(disk.read(&root.join("file")).expect("read"), b"hel\0\0");
}

fn a_rename_replaces_whole(disk: &dyn Disk, root: &Path) {
    disk.create_dir(root).expect("made");
    let path = root.join("file.json");
    for text in [&b"a long first one"[..], b"short"] {
        let file = swap(disk, &path, text).expect("swap");
        assert_eq!(file.size().expect("size"), text.len() as u64);
        replace(disk, &path, text).expect("replace");
        assert_eq!(disk.read(&path).expect("read"), text);
    }
    assert_eq!(disk.list(root).expect("list"), std::slice::from_ref(&path));
    assert_eq!(
        kind(disk.rename(&root.join("none"), &path)),
        ErrorKind::NotFound
    );
    assert_eq!(disk.read(&path).expect("read"), b"short");
}

fn an_open_file_outlives_its_name(disk: &dyn Disk, root: &Path) {
    disk.create_dir(root).expect("made");
    let path = root.join("file");
    let old = disk.open(&path, Open::New).expect("new");
    old.write_at(b"old", 0).expect("write");
    disk.remove(&path).expect("remove");
    let new = disk.open(&path, Open::New).expect("new again");
    new.write_at(b"newer", 0).expect("write");
    old.write_at(b"!", 3).expect("it is still written to");
    let mut buffer = [0; 9];
    assert_eq!(old.read_at(&mut buffer, 0).expect("read"), 4);
    assert_eq!(&buffer[..4], b"old!");
    assert_eq!(disk.read(&path).expect("read"), b"newer");
}

async fn work_aside_comes_back_with_its_result(disk: &dyn Disk) {
    assert_eq!(aside(disk, || 6 * 7).await.expect("done"), 42);
}
