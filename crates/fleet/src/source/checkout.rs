//! A directory inside a git checkout: which commit it is at, whether it was changed, and moving it forward when asked.

use std::path::{Path, PathBuf};

use super::git::{self, Call};
use super::{Error, Revision};

/// A directory inside a git checkout.
#[derive(Debug, Clone)]
pub struct Checkout {
    folder: PathBuf,
}

impl Checkout {
    /// The checkout that `folder` lies in; `None` where its `stead.yaml` is tracked by none, or where there is no git
    /// to ask.
    pub async fn find(folder: &Path) -> Option<Checkout> {
        let checkout = Checkout {
            folder: folder.to_owned(),
        };
        // A fleet that merely lies inside somebody's checkout, untracked, has no commit of its own.
        let tracked = checkout
            .look("ls-files", &["ls-files", "--", "stead.yaml", "stead.yml"])
            .await
            .ok()?;
        (tracked.ok && !tracked.out.is_empty()).then_some(checkout)
    }

    /// Where the checkout stands. With `pull`, fetches and fast-forwards first; a fetch or a merge that fails leaves
    /// everything as it is and is told in [`Revision::stale`].
    pub async fn revision(&self, pull: bool) -> Result<Revision, Error> {
        let stale = match pull {
            true => self.forward().await.err().map(|e| e.to_string()),
            false => None,
        };
        let place = self.folder.display().to_string();
        let remedy = "commit something, or use a plain directory";
        let head = self
            .look(
                "log",
                &[
                    "log",
                    "-1",
                    "--no-show-signature",
                    "--format=%H%n%s",
                    "HEAD",
                    "--",
                ],
            )
            .await?;
        let head = git::good(head, "log", &place, remedy)?.text();
        let (commit, subject) = head.split_once('\n').unwrap_or((&head, ""));
        let status = self
            .ask(
                "status",
                &[
                    "status",
                    "--porcelain",
                    "--untracked-files=normal",
                    "--",
                    ".",
                ],
            )
            .await?;
        let branch = self
            .look(
                "symbolic-ref",
                &["symbolic-ref", "--quiet", "--short", "HEAD"],
            )
            .await?;
        let behind = self
            .look(
                "rev-list",
                &["rev-list", "--count", "HEAD..@{upstream}", "--"],
            )
            .await?;
        Ok(Revision {
            commit: commit.to_owned(),
            reference: branch.ok.then(|| branch.text()),
            subject: subject.chars().take(200).collect(),
            dirty: status.ok.then_some(!status.out.is_empty()),
            behind: if behind.ok {
                behind.text().parse().unwrap_or(0)
            } else {
                0
            },
            stale,
        })
    }

    /// Asks what runs nothing of the repository's, whoever owns it.
    async fn look(&self, what: &'static str, args: &[&str]) -> Result<git::Answer, Error> {
        git::run(
            Call {
                foreign: true,
                ..Call::local(what, &self.folder)
            },
            &self.folder,
            args,
        )
        .await
    }

    /// Asks what may run filters, and so only where git trusts the owner.
    async fn ask(&self, what: &'static str, args: &[&str]) -> Result<git::Answer, Error> {
        git::run(Call::local(what, &self.folder), &self.folder, args).await
    }

    /// Fetches the upstream and fast-forwards. Local commits and local changes are never thrown away: then git refuses,
    /// and that is the answer.
    async fn forward(&self) -> Result<(), Error> {
        let place = self.folder.display().to_string();
        let call = Call {
            limit: git::REMOTE,
            ..Call::local("fetch", &self.folder)
        };
        let fetched = git::run(
            call,
            &self.folder,
            &["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"],
        )
        .await?;
        git::good(
            fetched,
            "fetch",
            &place,
            "check the network, the address and the key",
        )?;
        let merged = self
            .ask(
                "merge",
                &[
                    "merge",
                    "--ff-only",
                    "--quiet",
                    "--no-overwrite-ignore",
                    "@{upstream}",
                ],
            )
            .await?;
        git::good(
            merged,
            "merge",
            &place,
            "push or rebase the local commits, and commit or stash local changes",
        )?;
        Ok(())
    }
}
