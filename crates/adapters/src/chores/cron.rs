//! Crontabs as they lie: who runs what when. Variables in them are left where they are, and so are their values.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::LARGEST;
use crate::plain;
use crate::redact::redact;

/// Crontabs read, and lines told of all of them.
const FILES: usize = 200;
const JOBS: usize = 2_000;
/// Longest command told.
const TEXT: usize = 500;

/// The crontabs of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Crontabs {
    pub jobs: Vec<CronJob>,
    /// Files that were not read, with the reason.
    pub refused: Vec<RefusedFile>,
    /// Lines that are no job.
    pub unread: usize,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CronJob {
    /// `30 2 * * *`, or `@daily`.
    pub schedule: String,
    pub user: String,
    /// Without secrets.
    pub command: String,
    pub source: String,
    /// It is commented out.
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedFile {
    pub source: String,
    pub why: String,
}

/// Every crontab below `root`.
pub fn crontabs(root: &Path) -> Crontabs {
    let mut all = Crontabs::default();
    take(root, Path::new("etc/crontab"), None, &mut all);
    for path in listed(root, "etc/cron.d", &mut all) {
        take(root, &path, None, &mut all);
    }
    for folder in ["var/spool/cron/crontabs", "var/spool/cron"] {
        for path in listed(root, folder, &mut all) {
            let user = path.file_name().map(|n| n.to_string_lossy().into_owned());
            take(root, &path, user.as_deref(), &mut all);
        }
    }
    all
}

/// Files in a folder, by name; as cron does it, without those whose names have a dot.
fn listed(root: &Path, folder: &str, all: &mut Crontabs) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => {
            all.refused.push(RefusedFile {
                source: format!("/{folder}"),
                why: format!("it cannot be read: {}", e.kind()),
            });
            return Vec::new();
        }
    };
    let names = entries.flatten().map(|e| e.file_name());
    let mut files: Vec<PathBuf> = names
        .filter(|name| !name.to_string_lossy().contains('.'))
        .filter(|name| !root.join(folder).join(name).is_dir())
        .take(FILES)
        .map(|name| Path::new(folder).join(name))
        .collect();
    files.sort();
    files
}

/// The lines of one crontab; `user`: whose it is, where the lines do not say it.
fn take(root: &Path, path: &Path, user: Option<&str>, all: &mut Crontabs) {
    let source = format!("/{}", path.display());
    match plain::read(&root.join(path), LARGEST) {
        Ok(None) => {}
        Ok(Some(text)) => {
            for line in text.lines() {
                match job(line, user, &source) {
                    Line::Job(job) if all.jobs.len() < JOBS => all.jobs.push(job),
                    Line::Job(_) | Line::Other => all.unread += 1,
                    Line::Nothing => {}
                }
            }
        }
        Err(why) => all.refused.push(RefusedFile {
            source,
            why: why.to_string(),
        }),
    }
}

enum Line {
    Job(CronJob),
    /// A comment, a variable, nothing.
    Nothing,
    Other,
}

fn job(line: &str, user: Option<&str>, source: &str) -> Line {
    let line = line.trim();
    let (line, enabled) = match line.strip_prefix('#') {
        None => (line, true),
        Some(rest) => (rest.trim_start(), false),
    };
    let starts_job = line.starts_with(|c: char| c.is_ascii_digit() || c == '*' || c == '@');
    if line.is_empty() || (!starts_job && (!enabled || is_variable(line))) {
        return Line::Nothing;
    }
    let times = if line.starts_with('@') { 1 } else { 5 };
    let fields = times + usize::from(user.is_none());
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..fields {
        let Some((word, behind)) = rest.split_once(char::is_whitespace) else {
            return other(enabled);
        };
        words.push(word);
        rest = behind.trim_start();
    }
    let schedule = words.get(..times).unwrap_or_default();
    if rest.is_empty() || !schedule.iter().all(|word| is_time(word)) {
        return other(enabled);
    }
    let user = user.or_else(|| words.get(times).copied()).unwrap_or("");
    Line::Job(CronJob {
        schedule: schedule.join(" "),
        user: redact(user, 64),
        command: redact(rest, TEXT),
        source: source.to_owned(),
        enabled,
    })
}

/// A comment that is no job is a comment.
fn other(enabled: bool) -> Line {
    if enabled { Line::Other } else { Line::Nothing }
}

fn is_variable(line: &str) -> bool {
    let name = line.split('=').next().unwrap_or("").trim();
    line.contains('=')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_time(word: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"*/,-@~".contains(&b);
    word.len() <= 64
        && word.bytes().all(fits)
        && word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*' || c == '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for folder in ["etc/cron.d", "var/spool/cron/crontabs"] {
            std::fs::create_dir_all(dir.path().join(folder)).expect("made");
        }
        let put = |name: &str, text: &[u8]| {
            std::fs::write(dir.path().join(name), text).expect("written");
        };
        put(
            "etc/crontab",
            b"SHELL=/bin/sh\nAPI_TOKEN=abcdefabcdef\n# m h dom mon dow user command\n17 *\t* * *\troot\tcd / && run-parts /etc/cron.hourly\nnonsense\n",
        );
        put(
            "etc/cron.d/backup",
            b"@daily ann /usr/local/bin/backup --password=hunter2hunter2\n",
        );
        put("etc/cron.d/old.dpkg-dist", b"* * * * * root never\n");
        put("etc/cron.d/binary", b"* * * * * root \0\n");
        put(
            "var/spool/cron/crontabs/ann",
            b"#0 4 * * 0 /opt/vm-cleanup.sh\n30 2 * * 1-5 /usr/local/bin/report\n",
        );
        dir
    }

    #[test]
    fn jobs_are_told_with_who_runs_them_and_without_secrets() {
        let dir = root();
        let all = crontabs(dir.path());
        let told: Vec<(&str, &str, &str, bool)> = all
            .jobs
            .iter()
            .map(|j| {
                (
                    j.schedule.as_str(),
                    j.user.as_str(),
                    j.source.as_str(),
                    j.enabled,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("17 * * * *", "root", "/etc/crontab", true),
                ("@daily", "ann", "/etc/cron.d/backup", true),
                ("0 4 * * 0", "ann", "/var/spool/cron/crontabs/ann", false),
                ("30 2 * * 1-5", "ann", "/var/spool/cron/crontabs/ann", true),
            ]
        );
        let text = format!("{all:?}");
        assert!(
            !text.contains("hunter2") && !text.contains("abcdef"),
            "{text}"
        );
        assert_eq!(all.unread, 1, "nonsense is counted");
        assert_eq!(all.refused.len(), 1);
        assert_eq!(
            (all.refused[0].source.as_str(), all.refused[0].why.as_str()),
            ("/etc/cron.d/binary", "it is no text")
        );
    }

    #[test]
    fn a_link_in_a_folder_of_crontabs_is_refused() {
        let dir = root();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("etc/cron.d/link"))
            .expect("linked");
        let refused = crontabs(dir.path()).refused;
        assert!(
            refused
                .iter()
                .any(|r| r.source == "/etc/cron.d/link" && r.why.contains("link")),
            "{refused:?}"
        );
    }

    #[test]
    fn no_crontab_is_told_without_end() {
        let dir = root();
        let many = "* * * * * root true\n".repeat(JOBS + 10);
        std::fs::write(dir.path().join("etc/crontab"), many).expect("written");
        let all = crontabs(dir.path());
        assert_eq!(all.jobs.len(), JOBS);
        assert!(all.unread >= 10, "{}", all.unread);
    }
}
