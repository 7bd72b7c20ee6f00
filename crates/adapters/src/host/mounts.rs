//! Space and inodes of what is mounted.
//!
//! A dead network share hangs whoever asks it: network filesystems are left out unless wanted, and then asked by a
//! thread of their own, at most one for each, whose answer is taken when it comes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::StatVfs;
use stead_core::sample::Filesystem;
use stead_core::sample::rates::percent;

use super::parse::{self, Mount};
use super::source::Source;

/// Filesystems followed.
const FILESYSTEMS: usize = 64;

/// The mounted filesystems of a machine.
#[derive(Debug)]
pub(super) struct Mounts {
    root: PathBuf,
    table: Source,
    /// The table as it was read last: it rarely changes.
    read: Vec<u8>,
    mounts: Vec<(Mount, Ask)>,
    network: bool,
}

/// How a filesystem is asked.
#[derive(Debug)]
enum Ask {
    Directly,
    Aside(Arc<Mutex<Aside>>),
}

/// What a thread aside knows.
#[derive(Debug, Default)]
struct Aside {
    asking: bool,
    answer: Option<Space>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    total: u64,
    free: u64,
    available: u64,
    files: u64,
    files_free: u64,
}

impl Mounts {
    pub(super) fn new(root: &Path, network: bool) -> Mounts {
        // Of a machine seen from a container, the mounts that count are those of its first process.
        let table = if root == Path::new("/") {
            "proc/self/mountinfo"
        } else {
            "proc/1/mountinfo"
        };
        Mounts {
            root: root.to_owned(),
            table: Source::new(root.join(table), 8192),
            read: Vec::new(),
            mounts: Vec::new(),
            network,
        }
    }

    /// Appends what is mounted now; what cannot be asked, or has not answered, is left out.
    pub(super) fn measure(&mut self, into: &mut Vec<Filesystem>) {
        self.refresh();
        for (mount, ask) in &self.mounts {
            let path = self.root.join(mount.mount.trim_start_matches('/'));
            let space = match ask {
                Ask::Directly => space(&path),
                Ask::Aside(aside) => ask_aside(aside, path),
            };
            if let Some(space) = space.filter(|space| space.total > 0) {
                into.push(filesystem(mount, &space));
            }
        }
    }

    fn refresh(&mut self) {
        let Some(bytes) = self.table.read() else {
            return;
        };
        if bytes == self.read {
            return;
        }
        self.read.clear();
        self.read.extend_from_slice(bytes);
        let mut kept: Vec<Mount> = Vec::new();
        for mount in parse::mountinfo(&self.read).filter(|mount| wanted(mount, self.network)) {
            match kept.iter().position(|other| other.number == mount.number) {
                // One filesystem mounted at several places counts once, at the shortest.
                Some(at) if mount.mount.len() < kept[at].mount.len() => kept[at] = mount,
                Some(_) => {}
                None if kept.len() < FILESYSTEMS => kept.push(mount),
                None => {}
            }
        }
        kept.sort_by(|a, b| a.mount.cmp(&b.mount));
        let mut before = std::mem::take(&mut self.mounts);
        self.mounts = kept
            .into_iter()
            .map(
                |mount| match before.iter().position(|(other, _)| *other == mount) {
                    // A thread that still hangs is not joined by a second one.
                    Some(at) => before.swap_remove(at),
                    None if is_network(&mount.fs) => (mount, Ask::Aside(Arc::default())),
                    None => (mount, Ask::Directly),
                },
            )
            .collect();
    }
}

fn wanted(mount: &Mount, network: bool) -> bool {
    match &*mount.fs {
        "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "zfs" | "f2fs" | "bcachefs" | "jfs"
        | "reiserfs" | "vfat" | "exfat" | "ntfs" | "ntfs3" | "fuseblk" | "hfsplus" => true,
        // The root of a container; below it they are other people's containers.
        "overlay" => &*mount.mount == "/",
        fs => network && is_network(fs),
    }
}

fn is_network(fs: &str) -> bool {
    matches!(
        fs,
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "ceph" | "glusterfs" | "virtiofs" | "davfs"
    ) || fs.starts_with("fuse.")
}

fn space(path: &Path) -> Option<Space> {
    let StatVfs {
        f_frsize,
        f_blocks,
        f_bfree,
        f_bavail,
        f_files,
        f_ffree,
        ..
    } = rustix::fs::statvfs(path).ok()?;
    Some(Space {
        total: f_blocks.saturating_mul(f_frsize),
        free: f_bfree.saturating_mul(f_frsize),
        available: f_bavail.saturating_mul(f_frsize),
        files: f_files,
        files_free: f_ffree,
    })
}

/// The last answer, taken; and a new question if none is under way.
fn ask_aside(aside: &Arc<Mutex<Aside>>, path: PathBuf) -> Option<Space> {
    let mut state = aside.lock().unwrap_or_else(|e| e.into_inner());
    let answer = state.answer.take();
    if !state.asking {
        let shared = Arc::clone(aside);
        let ask = move || {
            let answer = space(&path);
            let mut state = shared.lock().unwrap_or_else(|e| e.into_inner());
            *state = Aside {
                asking: false,
                answer,
            };
        };
        state.asking = std::thread::Builder::new()
            .name("statvfs".into())
            .stack_size(64 * 1024)
            .spawn(ask)
            .is_ok();
    }
    answer
}

fn filesystem(mount: &Mount, space: &Space) -> Filesystem {
    let used = space.total.saturating_sub(space.free);
    let inodes = (space.files > 0).then(|| {
        let used = space.files.saturating_sub(space.files_free);
        percent(used as f64, space.files as f64)
    });
    Filesystem {
        mount: mount.mount.clone(),
        fs: mount.fs.clone(),
        device: mount.device.clone(),
        total: space.total,
        used,
        available: space.available,
        // What is kept for root is not there for anybody else, so it counts as gone: as `df` does.
        used_percent: percent(used as f64, used.saturating_add(space.available) as f64),
        inodes_percent: inodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(table: &str, network: bool) -> (tempfile::TempDir, Mounts) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/1")).unwrap();
        std::fs::create_dir_all(root.path().join("srv/data")).unwrap();
        std::fs::write(root.path().join("proc/1/mountinfo"), table).unwrap();
        let mounts = Mounts::new(root.path(), network);
        (root, mounts)
    }

    const TABLE: &str = "\
        22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        23 22 8:1 /var/lib/x /srv rw - ext4 /dev/sda1 rw\n\
        24 22 8:2 / /srv/data rw - xfs /dev/sda2 rw\n\
        25 22 0:5 / /dev rw - devtmpfs udev rw\n\
        26 22 0:30 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw\n\
        27 22 7:1 / /snap/core ro - squashfs /dev/loop1 ro\n\
        28 22 0:40 / /srv rw - nfs4 nas:/x rw\n";

    #[test]
    fn each_real_filesystem_counts_once_at_its_shortest_mount() {
        let (_root, mut mounts) = mounts(TABLE, false);
        let mut found = Vec::new();
        mounts.measure(&mut found);
        let names: Vec<&str> = found.iter().map(|f| &*f.mount).collect();
        assert_eq!(names, ["/", "/srv/data"]);
        let root = &found[0];
        assert!(
            root.total > 0 && root.used <= root.total && (0.0..=100.0).contains(&root.used_percent)
        );
    }

    #[test]
    fn a_network_share_is_asked_aside_and_only_if_wanted() {
        let (_root, mut mounts) = mounts(TABLE, true);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let mut found = Vec::new();
        while !found.iter().any(|f: &Filesystem| &*f.fs == "nfs4") {
            assert!(
                std::time::Instant::now() < deadline,
                "the answer never came"
            );
            found.clear();
            mounts.measure(&mut found);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_share_that_hangs_gets_no_second_thread() {
        let aside = Arc::new(Mutex::new(Aside {
            asking: true,
            answer: None,
        }));
        assert_eq!(ask_aside(&aside, "/".into()), None);
        assert!(aside.lock().unwrap().answer.is_none());
    }

    #[test]
    fn percent_are_those_of_df() {
        let mount = parse::mountinfo(TABLE.as_bytes()).next().unwrap();
        let space = Space {
            total: 1000,
            free: 500,
            available: 450,
            files: 0,
            files_free: 0,
        };
        let filesystem = filesystem(&mount, &space);
        assert_eq!(
            (
                filesystem.used,
                filesystem.used_percent,
                filesystem.inodes_percent
            ),
            (500, 52.6, None)
        );
    }
}
