//! Fleets from real git repositories on disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use stead_fleet::source::{ReadOptions, Reader, Revision, Source};
use stead_fleet::{Options, load};

/// A repository with a fleet in it, and room for a mirror.
struct Lab {
    root: tempfile::TempDir,
}

impl Lab {
    fn new() -> Lab {
        let lab = Lab {
            root: tempfile::tempdir().expect("tempdir"),
        };
        std::fs::create_dir(lab.repo()).expect("mkdir");
        lab.git(&lab.repo(), &["init", "--quiet", "--initial-branch=main"]);
        lab.write("stead.yaml", "fleet: one\n");
        lab.write(
            "hosts/piha/services.yaml",
            "services:\n  web: {kind: external}\n",
        );
        lab.commit("first");
        lab
    }

    fn repo(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    fn url(&self) -> String {
        format!("git+file://{}", self.repo().display())
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }

    fn commit(&self, message: &str) -> String {
        self.git(&self.repo(), &["add", "--all"]);
        self.git(&self.repo(), &["commit", "--quiet", "-m", message]);
        self.git(&self.repo(), &["rev-parse", "HEAD"])
    }

    fn git(&self, folder: &Path, args: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(args)
            .current_dir(folder)
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn options(&self) -> ReadOptions {
        ReadOptions {
            pull: false,
            pin: None,
            mirror: self.root.path().join("fleet.git"),
        }
    }

    fn open(&self, source: &str, options: ReadOptions) -> Reader {
        source
            .parse::<Source>()
            .expect("source")
            .open(&options)
            .expect("opens")
    }
}

async fn fleet(reader: &mut Reader) -> (String, Revision) {
    let reading = reader.read().await.expect("readable");
    let loaded = load(&reading.tree, &Options::default());
    assert!(
        loaded.problems.iter().all(|p| !p.is_error()),
        "{:?}",
        loaded.problems
    );
    (
        loaded.fleet.expect("a fleet").name,
        reading.revision.expect("a revision"),
    )
}

fn refetch(reader: &mut Reader) {
    if let Reader::Git(mirror) = reader {
        mirror.refresh();
    }
}

#[tokio::test]
async fn a_branch_is_followed_and_a_pin_is_not() {
    let lab = Lab::new();
    let first = lab.git(&lab.repo(), &["rev-parse", "HEAD"]);
    let mut reader = lab.open(&format!("{}#main", lab.url()), lab.options());
    let (name, revision) = fleet(&mut reader).await;
    assert_eq!(
        (
            name.as_str(),
            revision.commit.as_str(),
            revision.subject.as_str()
        ),
        ("one", first.as_str(), "first")
    );
    assert_eq!(revision.reference.as_deref(), Some("main"));

    lab.write("stead.yaml", "fleet: two\n");
    let second = lab.commit("second");
    // Within the minute nothing is fetched.
    assert_eq!(fleet(&mut reader).await.0, "one");
    refetch(&mut reader);
    let (name, revision) = fleet(&mut reader).await;
    assert_eq!((name.as_str(), revision.commit), ("two", second));

    let mut pinned = lab.open(
        &lab.url(),
        ReadOptions {
            pin: Some(first.clone()),
            ..lab.options()
        },
    );
    assert_eq!(fleet(&mut pinned).await.0, "one");

    // Without a branch it is the repository's own.
    let mut default = lab.open(
        &lab.url(),
        ReadOptions {
            mirror: lab.root.path().join("other.git"),
            ..lab.options()
        },
    );
    assert_eq!(fleet(&mut default).await.0, "two");
}

#[tokio::test]
async fn a_repository_that_is_gone_leaves_the_last_tree_and_says_so() {
    let lab = Lab::new();
    let mut reader = lab.open(&lab.url(), lab.options());
    fleet(&mut reader).await;
    std::fs::rename(lab.repo(), lab.root.path().join("away")).expect("rename");
    refetch(&mut reader);
    let (name, revision) = fleet(&mut reader).await;
    assert_eq!(name, "one");
    assert!(revision.stale.expect("stale").contains("fetch"));

    // Another address must not be answered from this one's mirror.
    let elsewhere = format!("git+file://{}/nowhere", lab.root.path().display());
    let error = lab
        .open(&elsewhere, lab.options())
        .read()
        .await
        .expect_err("nothing to read");
    assert_eq!(error.code(), "fleet-git-failed");
}

#[tokio::test]
async fn a_branch_that_is_not_there_is_an_error_that_names_it() {
    let lab = Lab::new();
    let error = lab
        .open(&format!("{}#mian", lab.url()), lab.options())
        .read()
        .await
        .expect_err("no such branch");
    assert_eq!(error.code(), "fleet-no-reference");
    assert!(error.to_string().contains("mian"));
    for bad in ["--output=x", "-x", "a..b"] {
        let options = ReadOptions {
            pin: Some(bad.into()),
            ..lab.options()
        };
        let error = lab
            .url()
            .parse::<Source>()
            .expect("source")
            .open(&options)
            .expect_err("refused");
        assert_eq!(error.code(), "fleet-bad-reference", "{bad}");
    }
}

#[tokio::test]
async fn links_in_a_commit_are_problems_and_hooks_do_not_run() {
    let lab = Lab::new();
    std::os::unix::fs::symlink("/etc/passwd", lab.repo().join("hosts/piha/node.yaml"))
        .expect("link");
    std::os::unix::fs::symlink("/etc", lab.repo().join("hosts/etc")).expect("link");
    lab.write("hosts/piha/big/ignored.yaml", "x\n");
    lab.write("hosts/piha/jobs.yaml", &"#".repeat(1024 * 1024 + 1));
    lab.commit("links");
    let mark = lab.root.path().join("hook-ran");
    for repo in [lab.repo().join(".git")] {
        for hook in [
            "reference-transaction",
            "post-checkout",
            "post-merge",
            "pre-receive",
        ] {
            use std::os::unix::fs::PermissionsExt;
            let path = repo.join("hooks").join(hook);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", mark.display())).expect("write");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        }
    }
    let reading = lab
        .open(&lab.url(), lab.options())
        .read()
        .await
        .expect("readable");
    let loaded = load(&reading.tree, &Options::default());
    let found: Vec<(&str, &str)> = loaded
        .problems
        .iter()
        .map(|p| (p.file.as_str(), p.code.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("hosts/etc", "symlink"),
            ("hosts/piha/jobs.yaml", "file-too-large"),
            ("hosts/piha/node.yaml", "symlink")
        ]
    );
    assert!(loaded.fleet.is_none());
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_checkout_tells_its_commit_and_whether_it_was_changed() {
    let lab = Lab::new();
    let mut reader = lab.open(&lab.repo().display().to_string(), lab.options());
    let (_, revision) = fleet(&mut reader).await;
    assert_eq!(
        revision.commit,
        lab.git(&lab.repo(), &["rev-parse", "HEAD"])
    );
    assert_eq!(
        (revision.reference.as_deref(), revision.dirty),
        (Some("main"), Some(false))
    );
    lab.write("stead.yaml", "fleet: changed\n");
    let (name, revision) = fleet(&mut reader).await;
    assert_eq!((name.as_str(), revision.dirty), ("changed", Some(true)));

    // In no checkout, and in one that does not know it.
    let hidden = lab.repo().join("untracked");
    std::fs::create_dir(&hidden).expect("mkdir");
    std::fs::write(hidden.join("stead.yaml"), "fleet: hidden\n").expect("write");
    let reading = lab
        .open(&hidden.display().to_string(), lab.options())
        .read()
        .await
        .expect("readable");
    assert_eq!(reading.revision, None);
    let plain = lab.root.path().join("plain");
    std::fs::create_dir(&plain).expect("mkdir");
    std::fs::write(plain.join("stead.yaml"), "fleet: plain\n").expect("write");
    let reading = lab
        .open(&plain.display().to_string(), lab.options())
        .read()
        .await
        .expect("readable");
    assert_eq!(reading.revision, None);
}

#[tokio::test]
async fn a_checkout_is_forwarded_only_when_asked_and_never_loses_a_commit() {
    let lab = Lab::new();
    let clone = lab.root.path().join("clone");
    lab.git(
        lab.root.path(),
        &[
            "clone",
            "--quiet",
            &lab.repo().display().to_string(),
            "clone",
        ],
    );
    lab.write("stead.yaml", "fleet: two\n");
    lab.commit("second");

    let source = clone.display().to_string();
    let (name, _) = fleet(&mut lab.open(&source, lab.options())).await;
    assert_eq!(name, "one");
    let pulling = ReadOptions {
        pull: true,
        ..lab.options()
    };
    let (name, revision) = fleet(&mut lab.open(&source, pulling.clone())).await;
    assert_eq!(
        (name.as_str(), revision.behind, revision.stale),
        ("two", 0, None)
    );

    // Both sides move: the local commit stays, and that is said.
    std::fs::write(clone.join("stead.yaml"), "fleet: local\n").expect("write");
    lab.git(&clone, &["commit", "--quiet", "--all", "-m", "local"]);
    lab.write("stead.yaml", "fleet: three\n");
    lab.commit("third");
    let (name, revision) = fleet(&mut lab.open(&source, pulling)).await;
    assert_eq!((name.as_str(), revision.behind), ("local", 1));
    assert!(revision.stale.expect("told").contains("merge"));
}
