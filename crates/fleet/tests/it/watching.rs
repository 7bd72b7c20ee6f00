//! Changes are noticed, however an editor or a deployment makes them. No sleeps: each waits for its tick.

use std::path::Path;
use std::time::Duration;

use stead_fleet::watch::{Change, Rhythm, Watch};

const PATIENCE: Duration = Duration::from_secs(20);

fn quick() -> Rhythm {
    Rhythm {
        debounce: Duration::from_millis(20),
        interval: Duration::from_secs(3600),
    }
}

/// Makes changes until one is noticed: the watch may not be up when the first is made.
async fn noticed(watch: &mut Watch, mut change: impl FnMut(u32)) -> Change {
    let end = tokio::time::Instant::now() + PATIENCE;
    let mut count = 0;
    loop {
        count += 1;
        change(count);
        match tokio::time::timeout(Duration::from_millis(300), watch.next()).await {
            Ok(tick) => return tick.expect("the watch lives"),
            Err(_) => assert!(tokio::time::Instant::now() < end, "nothing was noticed"),
        }
    }
}

/// Takes what is left of earlier changes.
async fn quiet(watch: &mut Watch) {
    while tokio::time::timeout(Duration::from_millis(500), watch.next())
        .await
        .is_ok()
    {}
}

fn fleet(root: &Path) {
    std::fs::create_dir_all(root.join("hosts/a")).expect("mkdir");
    std::fs::write(root.join("stead.yaml"), "fleet: x\n").expect("write");
    std::fs::write(root.join("hosts/a/services.yaml"), "services: {}\n").expect("write");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_written_replaced_and_new_folders_are_noticed() {
    let root = tempfile::tempdir().expect("tempdir");
    let dir = root.path().join("fleet");
    fleet(&dir);
    let mut watch = Watch::start(Some(&dir), quick());
    let file = dir.join("hosts/a/services.yaml");
    assert_eq!(
        noticed(&mut watch, |n| std::fs::write(&file, format!("# {n}\n"))
            .expect("write"))
        .await,
        Change::Touched
    );
    quiet(&mut watch).await;

    // As editors do: write beside it and rename over it.
    let replace = |n: u32| {
        std::fs::write(dir.join("hosts/a/.services.yaml.swp"), format!("# {n}\n")).expect("write");
        std::fs::rename(dir.join("hosts/a/.services.yaml.swp"), &file).expect("rename");
    };
    assert_eq!(noticed(&mut watch, replace).await, Change::Touched);
    quiet(&mut watch).await;

    let folder = |n: u32| {
        std::fs::create_dir_all(dir.join(format!("hosts/new{n}"))).expect("mkdir");
        std::fs::write(dir.join(format!("hosts/new{n}/node.yaml")), "").expect("write");
    };
    assert_eq!(noticed(&mut watch, folder).await, Change::Touched);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swapped_directory_is_noticed_and_watched_from_then_on() {
    let root = tempfile::tempdir().expect("tempdir");
    let at = |p: &str| root.path().join(p);
    fleet(&at("one"));
    fleet(&at("two"));
    std::os::unix::fs::symlink("one", at("fleet")).expect("link");
    let mut watch = Watch::start(Some(&at("fleet")), quick());
    let turn = |n: u32| {
        let target = if n % 2 == 1 { "two" } else { "one" };
        let _ = std::fs::remove_file(at("next"));
        std::os::unix::fs::symlink(target, at("next")).expect("link");
        std::fs::rename(at("next"), at("fleet")).expect("rename");
    };
    assert_eq!(noticed(&mut watch, turn).await, Change::Touched);
    quiet(&mut watch).await;
    let now = at("fleet").join("stead.yaml");
    assert_eq!(
        noticed(&mut watch, |n| std::fs::write(&now, format!("# {n}\n"))
            .expect("write"))
        .await,
        Change::Touched
    );
    quiet(&mut watch).await;

    // Moved away and replaced by another real directory.
    std::fs::remove_file(at("fleet")).expect("remove");
    std::fs::rename(at("one"), at("fleet")).expect("rename");
    quiet(&mut watch).await;
    assert_eq!(
        noticed(&mut watch, |n| std::fs::write(&now, format!("# {n}\n"))
            .expect("write"))
        .await,
        Change::Touched
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_comes_later_is_noticed_and_what_lies_beside_it_is_not() {
    let root = tempfile::tempdir().expect("tempdir");
    let dir = root.path().join("fleet");
    let mut watch = Watch::start(Some(&dir), quick());
    assert_eq!(noticed(&mut watch, |_| fleet(&dir)).await, Change::Touched);
    quiet(&mut watch).await;
    std::fs::write(root.path().join("neighbour"), "x").expect("write");
    let tick = tokio::time::timeout(Duration::from_millis(700), watch.next()).await;
    assert!(tick.is_err(), "{tick:?}");
}

#[tokio::test]
async fn the_interval_ticks_without_any_change_and_ticks_do_not_pile_up() {
    let rhythm = Rhythm {
        interval: Duration::from_millis(50),
        ..quick()
    };
    let mut watch = Watch::start(None, rhythm);
    for _ in 0..3 {
        assert_eq!(
            tokio::time::timeout(PATIENCE, watch.next())
                .await
                .expect("in time"),
            Some(Change::Due)
        );
    }
}
