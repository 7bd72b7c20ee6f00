//! A git repository kept as a bare mirror and read from its commits: there is no checkout that could be half done, and a
//! link in a tree is an entry to refuse, never something to follow.

use std::path::{Path, PathBuf};
use tokio::time::Instant;

use stead_core::ids::digest;

use super::git::{self, Answer, Call};
use super::{Error, FETCH_EVERY, GitSource, Reading, Revision, without_credentials};
use crate::problem::Code;
use crate::tree::{MAX_FILE, MAX_FILES, MAX_TREE, Tree};

/// In the mirror: the digest of the address it was last fetched from. The address itself may hold a token.
const ORIGIN: &str = "stead-origin";
/// Bytes of one listing: 50,000 entries with long names.
const LISTING: u64 = 64 * 1024 * 1024;

/// A bare mirror under the data directory.
#[derive(Debug)]
pub struct Mirror {
    source: GitSource,
    pin: Option<String>,
    folder: PathBuf,
    fetched: Option<Instant>,
    stale: Option<String>,
    /// The last commit read, so that an unchanged one is not read again.
    last: Option<(String, Tree)>,
}

impl Mirror {
    pub fn new(source: GitSource, pin: Option<String>, folder: PathBuf) -> Mirror {
        Mirror {
            source,
            pin,
            folder,
            fetched: None,
            stale: None,
            last: None,
        }
    }

    /// The tree of the branch's newest commit that could be fetched, or of the pinned one.
    pub async fn read(&mut self) -> Result<Reading, Error> {
        let now = Instant::now();
        if self
            .fetched
            .is_none_or(|at| now.duration_since(at) >= FETCH_EVERY)
        {
            self.stale = match self.fetch().await {
                Ok(()) => None,
                // Nothing to fall back to, or another repository's: the first fetch must work.
                Err(error) if !self.is_ours() || self.resolve().await.is_err() => {
                    return Err(error);
                }
                Err(error) => Some(error.to_string()),
            };
            self.fetched = Some(now);
        }
        let commit = self.resolve().await?;
        let tree = match &self.last {
            Some((read, tree)) if *read == commit => tree.clone(),
            _ => self.tree(&commit).await?,
        };
        self.last = Some((commit.clone(), tree.clone()));
        let subject = self
            .ask(
                "log",
                &[
                    "log",
                    "-1",
                    "--no-show-signature",
                    "--format=%s",
                    &commit,
                    "--",
                ],
            )
            .await?
            .text();
        let revision = Revision {
            commit,
            reference: self.pin.clone().or_else(|| self.source.reference.clone()),
            subject: subject.chars().take(200).collect(),
            dirty: Some(false),
            behind: 0,
            stale: self.stale.clone(),
        };
        Ok(Reading {
            tree,
            revision: Some(revision),
        })
    }

    /// The next [`Mirror::read`] fetches, whenever the last fetch was.
    pub fn refresh(&mut self) {
        self.fetched = None;
    }

    /// Whether what the mirror holds was fetched from this very address.
    fn is_ours(&self) -> bool {
        std::fs::read_to_string(self.folder.join(ORIGIN))
            .is_ok_and(|text| text == digest(self.source.url.as_bytes()))
    }

    fn place(&self) -> String {
        without_credentials(&self.source.url)
    }

    async fn ask(&self, what: &'static str, args: &[&str]) -> Result<Answer, Error> {
        git::run(
            Call {
                place: self.place(),
                ..Call::local(what, &self.folder)
            },
            &self.folder,
            args,
        )
        .await
    }

    async fn fetch(&self) -> Result<(), Error> {
        let unreadable = |why: std::io::Error| Error::Unreadable {
            path: self.folder.clone(),
            why: why.to_string(),
        };
        if !self.folder.join("HEAD").exists() {
            tokio::fs::create_dir_all(&self.folder)
                .await
                .map_err(unreadable)?;
            let answer = self
                .ask("init", &["init", "--bare", "--quiet", "--template=", "."])
                .await?;
            git::good(
                answer,
                "init",
                &self.folder.display().to_string(),
                "check that the data directory is writable",
            )?;
        }
        let call = Call {
            place: self.place(),
            limit: git::REMOTE,
            ..Call::local("fetch", &self.folder)
        };
        let mut args = vec![
            "fetch",
            "--quiet",
            "--prune",
            "--force",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
        ];
        args.extend([
            "--end-of-options",
            &self.source.url,
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        ]);
        if self.pin.is_none() && self.source.reference.is_none() {
            args.push("+HEAD:refs/stead/head");
        }
        let answer = git::run(call, &self.folder, &args).await?;
        git::good(
            answer,
            "fetch",
            &self.place(),
            "check the address, the network and the key",
        )?;
        tokio::fs::write(self.folder.join(ORIGIN), digest(self.source.url.as_bytes()))
            .await
            .map_err(unreadable)
    }

    /// The full hash of what is asked for.
    async fn resolve(&self) -> Result<String, Error> {
        let wanted = self.pin.as_ref().or(self.source.reference.as_ref());
        let candidates: Vec<String> = match wanted {
            None => vec!["refs/stead/head".into()],
            Some(name) => vec![
                format!("refs/heads/{name}"),
                format!("refs/tags/{name}"),
                name.clone(),
            ],
        };
        for candidate in candidates {
            let commit = format!("{candidate}^{{commit}}");
            let args = [
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                &commit,
            ];
            // A repository that is not there yet has no commits either.
            if !self.folder.exists() {
                break;
            }
            let answer = self.ask("rev-parse", &args).await?;
            let hash = answer.text();
            if answer.ok && hash.len() >= 40 && hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Ok(hash);
            }
        }
        let reference = wanted.cloned().unwrap_or_else(|| "HEAD".into());
        Err(Error::NoReference {
            place: self.place(),
            reference,
        })
    }

    async fn tree(&self, commit: &str) -> Result<Tree, Error> {
        let args = [
            "ls-tree",
            "-r",
            "-z",
            "-l",
            "--full-tree",
            "--end-of-options",
            commit,
        ];
        let call = Call {
            place: self.place(),
            bound: LISTING,
            ..Call::local("ls-tree", &self.folder)
        };
        let listing = git::run(call, &self.folder, &args).await?;
        let listing = git::good(
            listing,
            "ls-tree",
            &self.place(),
            "the mirror may be damaged: remove it and start again",
        )?;
        let mut tree = Tree::default();
        let wanted = wanted(&listing.out, &mut tree);
        let bytes: u64 = wanted.iter().map(|(_, _, size)| size + 100).sum();
        if wanted.len() > MAX_FILES || bytes > MAX_TREE {
            tree.problem(
                "",
                Code::TreeTooLarge,
                format!(
                    "the commit has more than {MAX_FILES} files or {} MiB",
                    MAX_TREE >> 20
                ),
                "keep the fleet in a repository of its own",
            );
            return Ok(tree);
        }
        let input: String = wanted
            .iter()
            .map(|(_, hash, _)| format!("{hash}\n"))
            .collect();
        let call = Call {
            place: self.place(),
            bound: bytes + 1024,
            input: input.as_bytes(),
            ..Call::local("cat-file", &self.folder)
        };
        let answer = git::run(call, &self.folder, &["cat-file", "--batch"]).await?;
        let answer = git::good(
            answer,
            "cat-file",
            &self.place(),
            "the mirror may be damaged: remove it and start again",
        )?;
        contents(&wanted, &answer.out, &mut tree).ok_or_else(|| Error::Git {
            what: "cat-file",
            place: self.place(),
            why: "its answer makes no sense".into(),
            remedy: "the mirror may be damaged: remove it and start again",
        })?;
        Ok(tree)
    }

    /// Where the mirror lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Path, hash and size of each file to read; links and giants become problems of the tree.
fn wanted(listing: &[u8], tree: &mut Tree) -> Vec<(String, String, u64)> {
    let mut wanted = Vec::new();
    for entry in listing.split(|b| *b == 0).filter(|e| !e.is_empty()) {
        let Some(tab) = entry.iter().position(|b| *b == b'\t') else {
            continue;
        };
        let head = String::from_utf8_lossy(&entry[..tab]);
        // What is not UTF-8 is under no name that Stead reads.
        let Ok(path) = std::str::from_utf8(&entry[tab + 1..]) else {
            continue;
        };
        let mut fields = head.split_whitespace();
        let (mode, hash) = (
            fields.next().unwrap_or(""),
            fields.nth(1).unwrap_or("").to_owned(),
        );
        let size: u64 = fields.next().and_then(|s| s.parse().ok()).unwrap_or(0);
        match mode {
            "120000" => link(path, tree),
            "160000" => {
                if path == "hosts" || path == "runbooks" || path.starts_with("hosts/") {
                    let message = format!("`{path}` is a submodule, and submodules are not read");
                    tree.problem(
                        path,
                        Code::NotAFile,
                        message,
                        "put the files themselves in its place",
                    );
                }
            }
            _ if !tree.admit(path) => {}
            _ if size > MAX_FILE => tree.too_large(path, size),
            _ => wanted.push((path.to_owned(), hash, size)),
        }
    }
    wanted
}

fn link(path: &str, tree: &mut Tree) {
    let folder = path == "hosts"
        || path == "runbooks"
        || path.starts_with("hosts/") && path.matches('/').count() == 1;
    if folder || tree.admit(path) {
        let message = format!("`{path}` is a symbolic link, and links are not followed");
        tree.problem(
            path,
            Code::Symlink,
            message,
            "put the file itself in its place",
        );
    }
}

/// Takes the answer of `cat-file --batch` apart: `HASH blob SIZE\n`, the bytes, `\n`, in the order asked.
fn contents(wanted: &[(String, String, u64)], mut answer: &[u8], tree: &mut Tree) -> Option<()> {
    for (path, hash, size) in wanted {
        let end = answer.iter().position(|b| *b == b'\n')?;
        let head = std::str::from_utf8(&answer[..end]).ok()?;
        if head != format!("{hash} blob {size}") {
            return None;
        }
        let size = usize::try_from(*size).ok()?;
        let rest = &answer[end + 1..];
        if rest.len() <= size {
            return None;
        }
        tree.put(path, rest[..size].to_vec());
        answer = &rest[size + 1..];
    }
    Some(())
}
