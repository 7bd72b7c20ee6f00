//! Other people's programs, started so that nothing of the caller's leaks in and nothing of theirs stays behind.
//!
//! Never a shell, never the caller's `PATH` or environment, never unbounded output, never a survivor after a time-out:
//! each program leads its own process group and the whole group is ended.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};

const FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The first of `names` in the folders programs live in. Absolute names are taken as they are.
pub fn find(names: &[&str]) -> Option<PathBuf> {
    names.iter().find_map(|name| {
        let candidates: Vec<PathBuf> = if name.starts_with('/') {
            vec![PathBuf::from(name)]
        } else {
            FOLDERS
                .iter()
                .map(|folder| Path::new(folder).join(name))
                .collect()
        };
        candidates.into_iter().find(|path| executable(path))
    })
}

fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It never ran.
    #[error("{program} could not be started: {source}")]
    Start {
        program: String,
        source: std::io::Error,
    },
    /// It was ended because it took too long; what it did until then nobody knows.
    #[error("{program} did not end within {} s and was stopped", limit.as_secs())]
    TimedOut {
        program: String,
        limit: Duration,
        output: Vec<u8>,
    },
    #[error("lost sight of {program}: {source}")]
    Lost {
        program: String,
        source: std::io::Error,
    },
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Call {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub folder: Option<PathBuf>,
    pub env: Vec<(String, String)>,
    pub limit: Duration,
    /// Most bytes kept of each stream; of longer ones the end is kept.
    pub keep: usize,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Ended {
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }
    /// Both streams, errors last.
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.stdout).into_owned();
        if !text.is_empty() && !text.ends_with('\n') && !self.stderr.is_empty() {
            text.push('\n');
        }
        text.push_str(&String::from_utf8_lossy(&self.stderr));
        text
    }
}

/// Ends the whole process group, also when the future that waits for it is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

pub async fn run(call: Call) -> Result<Ended, Error> {
    let name = call.program.display().to_string();
    let mut command = tokio::process::Command::new(&call.program);
    command
        .args(&call.args)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8");
    for keep in ["HOME", "TZ"] {
        if let Some(value) = std::env::var_os(keep) {
            command.env(keep, value);
        }
    }
    command.envs(call.env.iter().map(|(k, v)| (k, v)));
    if let Some(folder) = &call.folder {
        command.current_dir(folder);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|source| Error::Start {
        program: name.clone(),
        source,
    })?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Tail::new(call.keep), Tail::new(call.keep));
    let work = async {
        let (status, (), ()) = tokio::join!(child.wait(), stdout.fill(out), stderr.fill(err));
        status
    };
    let done = tokio::time::timeout(call.limit, work).await;
    match done {
        Ok(Ok(status)) => {
            // Everything it started has closed its output; a group without members cannot be ended by mistake.
            group.0 = None;
            Ok(Ended {
                code: status.code(),
                stdout: stdout.bytes,
                stderr: stderr.bytes,
            })
        }
        Ok(Err(source)) => Err(Error::Lost {
            program: name,
            source,
        }),
        Err(_) => {
            drop(group);
            let mut output = stdout.bytes;
            output.extend_from_slice(&stderr.bytes);
            Err(Error::TimedOut {
                program: name,
                limit: call.limit,
                output,
            })
        }
    }
}

/// The end of a stream.
struct Tail {
    bytes: Vec<u8>,
    keep: usize,
}

impl Tail {
    fn new(keep: usize) -> Tail {
        Tail {
            bytes: Vec::new(),
            keep,
        }
    }

    async fn fill(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut chunk = [0u8; 4096];
        while let Ok(n) = stream.read(&mut chunk).await {
            if n == 0 {
                break;
            }
            self.bytes.extend_from_slice(&chunk[..n]);
            if self.bytes.len() > self.keep {
                let surplus = self.bytes.len() - self.keep;
                self.bytes.drain(..surplus);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Call {
        Call {
            program: find(&["sh"]).expect("a shell"),
            args: vec!["-c".into(), script.into()],
            folder: None,
            env: vec![],
            limit,
            keep: 64,
        }
    }

    #[tokio::test]
    async fn the_callers_path_and_environment_stay_outside() {
        let ended = run(shell(
            "echo $PATH; echo [$CARGO_MANIFEST_DIR]",
            Duration::from_secs(10),
        ))
        .await;
        let text = ended.expect("it ran").text();
        assert!(text.ends_with("[]\n"), "{text}");
        assert!(find(&["no-such-program-anywhere"]).is_none());
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_output_is_kept() {
        let ended = run(shell("seq 1 1000", Duration::from_secs(10)))
            .await
            .expect("it ran");
        assert!(ended.stdout.len() <= 64 && ended.stdout.ends_with(b"1000\n"));
    }

    #[tokio::test]
    async fn a_time_out_ends_the_whole_group() {
        let script = "sleep 1000 & echo $!; wait";
        let error = run(shell(script, Duration::from_millis(300)))
            .await
            .expect_err("it hangs");
        let Error::TimedOut { output, .. } = error else {
            panic!("{error}")
        };
        let child = String::from_utf8_lossy(&output).trim().to_owned();
        let stat = PathBuf::from(format!("/proc/{child}/stat"));
        let gone = || std::fs::read_to_string(&stat).map_or(true, |s| s.contains(") Z"));
        for _ in 0..200 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{child} survived");
    }
}
