//! The `git` command, fenced in: a bounded answer, a deadline, no prompts, no hooks, no configuration of the repository's
//! that runs programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::Error;

/// For what stays on this machine.
pub(super) const LOCAL: Duration = Duration::from_secs(20);
/// For what goes over the network.
pub(super) const REMOTE: Duration = Duration::from_secs(120);
/// Bytes kept of what git says on its error stream.
const SAID: u64 = 16 * 1024;

/// One call of git.
pub(super) struct Call<'a> {
    pub what: &'static str,
    /// For messages; without credentials.
    pub place: String,
    pub limit: Duration,
    /// Most bytes of its answer.
    pub bound: u64,
    pub input: &'a [u8],
    /// Also where the repository belongs to another user. Only for calls that run nothing a repository can name: no
    /// filters, no fetch, no merge.
    pub foreign: bool,
}

impl Call<'_> {
    pub fn local(what: &'static str, place: &Path) -> Call<'static> {
        Call {
            what,
            place: place.display().to_string(),
            limit: LOCAL,
            bound: 1 << 20,
            input: &[],
            foreign: false,
        }
    }
}

/// How git answered.
pub(super) struct Answer {
    pub ok: bool,
    pub out: Vec<u8>,
    /// The last line of what it said, at most 300 characters.
    pub said: String,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).trim().to_owned()
    }
}

/// Runs git in `folder`. `args` are ours; a user's text only ever follows `--` or `--end-of-options`.
pub(super) async fn run<S: AsRef<OsStr>>(
    call: Call<'_>,
    folder: &Path,
    args: &[S],
) -> Result<Answer, Error> {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "protocol.ext.allow=never",
        ])
        .args([
            "-c",
            "gc.auto=0",
            "-c",
            "credential.interactive=false",
            "--no-optional-locks",
            "--no-pager",
        ])
        // Ends a transfer that only trickles, also in the helper that outlives a killed git.
        .args(["-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60"]);
    if call.foreign {
        command.args(["-c", "safe.directory=*"]);
    }
    command
        .args(args)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("SSH_ASKPASS", "true")
        // Not even when there is a terminal: ssh would ask there.
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_EXTERNAL_DIFF")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let (what, place, limit) = (call.what, call.place.clone(), call.limit);
    match tokio::time::timeout(limit, exchange(command, &call)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::TimedOut { what, place, limit }),
    }
}

async fn exchange(mut command: Command, call: &Call<'_>) -> Result<Answer, Error> {
    let failed = |why: String| Error::Git {
        what: call.what,
        place: call.place.clone(),
        why,
        remedy: "run the same git command by hand to see more",
    };
    let mut child = command
        .spawn()
        .map_err(|e| Error::NoGit { why: e.to_string() })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(failed("its pipes could not be opened".into()));
    };
    let mut out = Vec::new();
    let mut said = Vec::new();
    let (mut stdout, mut stderr) = (stdout.take(call.bound + 1), stderr.take(SAID));
    // All three at once: git blocks when one of its pipes is full.
    let write = async {
        // A git that has heard enough closes its end; what it answers decides, not that.
        let _ = stdin.write_all(call.input).await;
        drop(stdin);
    };
    let ((), read, _) = tokio::join!(
        write,
        stdout.read_to_end(&mut out),
        stderr.read_to_end(&mut said)
    );
    read.map_err(|e| failed(e.to_string()))?;
    if out.len() as u64 > call.bound {
        return Err(failed(format!(
            "its answer is larger than {} bytes",
            call.bound
        )));
    }
    drop((stdout, stderr));
    let status = child.wait().await.map_err(|e| failed(e.to_string()))?;
    Ok(Answer {
        ok: status.success(),
        out,
        said: last_words(&said),
    })
}

/// The line that says most: the last one with `fatal:` or `error:`, else the last one.
fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let telling = lines
        .iter()
        .rev()
        .find(|l| l.starts_with("fatal:") || l.starts_with("error:"));
    let line = telling
        .or(lines.last())
        .copied()
        .unwrap_or("it gave no reason");
    line.split_whitespace()
        .map(redacted)
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(300)
        .collect()
}

/// Addresses in git's words may hold a token.
fn redacted(word: &str) -> String {
    let bare = word.trim_start_matches(['\'', '"']);
    let prefix = &word[..word.len() - bare.len()];
    format!("{prefix}{}", super::without_credentials(bare))
}

/// An answer that had to be good.
pub(super) fn good(
    answer: Answer,
    what: &'static str,
    place: &str,
    remedy: &'static str,
) -> Result<Answer, Error> {
    match answer.ok {
        true => Ok(answer),
        false => Err(Error::Git {
            what,
            place: place.to_owned(),
            why: answer.said,
            remedy,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telling_line_is_kept_and_tokens_are_not() {
        let said = b"Cloning...\nfatal: unable to access 'https://me:tok@h/x.git/': no route\nhint: try again\n";
        assert_eq!(
            last_words(said),
            "fatal: unable to access 'https://…@h/x.git/': no route"
        );
        assert_eq!(last_words(b""), "it gave no reason");
    }

    #[tokio::test]
    async fn a_call_that_hangs_is_ended() {
        let folder = tempfile::tempdir().expect("tempdir");
        let call = Call {
            limit: Duration::from_millis(300),
            ..Call::local("wait", folder.path())
        };
        // An alias is the one way to make git wait for something that never ends.
        let args = ["-c", "alias.wait=!sleep 30", "wait"];
        let started = tokio::time::Instant::now();
        let error = run(call, folder.path(), &args)
            .await
            .err()
            .expect("timed out");
        assert_eq!(error.code(), "fleet-git-timeout");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
