//! Follows one file through rotation (another file under the name) and truncation (a shorter one).

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use regex::bytes::Regex;
use stead_core::time::Span;

use super::{Question, judge, pattern};
use crate::probe::{Found, Miss, plain};

/// Bytes read for one question; of what piled up beyond it only the newest are looked at.
const READ: u64 = 4 * 1024 * 1024;
/// Longest line; a longer one is looked at in pieces.
const LINE: usize = 16 * 1024;

/// A file that is followed for one pattern.
#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    pattern: Regex,
    since: Instant,
    open: Option<Open>,
    /// The file was not there when asked for, so all of it is new once it is.
    missed: bool,
    matched: Option<(Instant, String)>,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    offset: u64,
    /// The line that has no end yet.
    partial: Vec<u8>,
}

impl Watch {
    pub(super) fn new(path: &str, pattern: Regex, now: Instant) -> Watch {
        Watch {
            path: path.into(),
            pattern,
            since: now,
            open: None,
            missed: false,
            matched: None,
        }
    }

    /// Reads what is new and answers. `clock` is only compared with the file's own time.
    pub(super) fn ask(&mut self, question: &Question, now: Instant, clock: SystemTime) -> Found {
        let within = std::time::Duration::from_millis(question.within.0);
        let data = self.read(now)?;
        let recent = self
            .matched
            .as_ref()
            .filter(|(at, _)| now.saturating_duration_since(*at) <= within);
        if let Some((_, line)) = recent {
            return judge(Some(line.as_bytes()), question);
        }
        // Followed for too short a time to say that nothing came, unless nothing at all was written meanwhile.
        let quiet = data
            .modified()
            .ok()
            .and_then(|at| clock.duration_since(at).ok())
            .is_some_and(|age| age > within);
        let watched = now.saturating_duration_since(self.since);
        if !question.absent && !quiet && watched < within {
            let watched =
                Span(u64::try_from(watched.as_millis()).unwrap_or(u64::MAX) / 1000 * 1000);
            return Err(Miss::Unknown(format!(
                "no line matched yet, followed for {watched} of {}: wait for the rest",
                question.within
            )));
        }
        judge(None, question)
    }

    /// Takes in what was appended: of a rotated file to its end, then of its successor.
    fn read(&mut self, now: Instant) -> Result<Metadata, Miss> {
        let opened = open(&self.path);
        // Whatever became of the name, the file it stood for is read to its end.
        if let Some(open) = &mut self.open {
            open.follow(&self.pattern, &mut self.matched, now)
                .map_err(|error| unreadable(&error))?;
        }
        let (file, data) = opened.inspect_err(|_| self.missed = true)?;
        let identity = (data.dev(), data.ino());
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.identity != identity)
        {
            // What stood in the file before anybody asked is of unknown age; a successor is new from its start.
            let offset = if self.open.is_none() && !self.missed {
                data.len()
            } else {
                0
            };
            let mut open = Open {
                file,
                identity,
                offset,
                partial: Vec::new(),
            };
            open.follow(&self.pattern, &mut self.matched, now)
                .map_err(|error| unreadable(&error))?;
            self.open = Some(open);
        }
        Ok(data)
    }
}

fn open(path: &Path) -> Result<(File, Metadata), Miss> {
    let file = OpenOptions::new()
        .read(true)
        // Never hangs on a pipe, never becomes the terminal of the agent.
        .custom_flags((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits() as i32)
        .open(path)
        .map_err(|error| unreadable(&error))?;
    let data = file.metadata().map_err(|error| unreadable(&error))?;
    if !data.is_file() {
        return Err(Miss::Unknown(format!("{} is not a file", path.display())));
    }
    Ok((file, data))
}

fn unreadable(error: &std::io::Error) -> Miss {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "let the agent read it",
        _ => "correct the path, or wait for it to be written",
    };
    Miss::Unknown(format!("{}: {remedy}", plain(error)))
}

impl Open {
    fn follow(
        &mut self,
        pattern: &Regex,
        matched: &mut Option<(Instant, String)>,
        now: Instant,
    ) -> std::io::Result<()> {
        let size = self.file.metadata()?.len();
        if size < self.offset {
            self.offset = 0;
            self.partial.clear();
        }
        if size - self.offset > READ {
            self.offset = size - READ;
            self.partial.clear();
        }
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut left = READ;
        let mut chunk = [0u8; 16 * 1024];
        while left > 0 {
            let length = self.file.read(&mut chunk)?;
            if length == 0 {
                break;
            }
            self.offset += length as u64;
            left = left.saturating_sub(length as u64);
            self.take(&chunk[..length], |line| {
                if pattern.is_match(line) {
                    *matched = Some((now, pattern::shown(line)));
                }
            });
        }
        Ok(())
    }

    /// Cuts what came into lines.
    fn take(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            if self.partial.is_empty() {
                line(&bytes[..end]);
            } else {
                self.partial.extend_from_slice(&bytes[..end]);
                line(&self.partial);
                self.partial.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > LINE {
            line(&self.partial);
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    const MINUTE: Span = Span::mins(1);

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// A watch on a file that holds one old error, asked `seconds` after its start.
    struct Case {
        folder: tempfile::TempDir,
        watch: Watch,
        start: Instant,
        absent: bool,
    }

    impl Case {
        fn new(absent: bool) -> Case {
            let folder = tempfile::tempdir().unwrap();
            append(&folder.path().join("app.log"), "ERROR old\n");
            let start = Instant::now();
            let path = folder.path().join("app.log");
            let watch = Watch::new(
                path.to_str().unwrap(),
                pattern::compile("ERROR|READY").unwrap(),
                start,
            );
            Case {
                folder,
                watch,
                start,
                absent,
            }
        }
        fn path(&self) -> PathBuf {
            self.folder.path().join("app.log")
        }
        fn ask(&mut self, seconds: u64) -> Found {
            let question = Question {
                within: MINUTE,
                absent: self.absent,
            };
            self.watch.ask(
                &question,
                self.start + Duration::from_secs(seconds),
                SystemTime::now(),
            )
        }
    }

    #[test]
    fn a_line_counts_from_its_being_written_and_only_for_its_time() {
        let mut case = Case::new(true);
        assert!(
            case.ask(0).is_ok(),
            "what stood there before is of unknown age"
        );
        append(&case.path(), "all well\nERROR new");
        assert!(
            case.ask(10).is_ok(),
            "a line without an end is not read yet"
        );
        append(&case.path(), " thing\n");
        assert_eq!(case.ask(20), Err(Miss::Failed("ERROR new thing".into())));
        assert!(case.ask(79).is_err());
        assert!(case.ask(81).is_ok());
    }

    #[test]
    fn rotation_loses_neither_the_old_tail_nor_the_new_head() {
        let mut case = Case::new(true);
        case.ask(0).unwrap();
        append(&case.path(), "ERROR before rotation\n");
        std::fs::rename(case.path(), case.folder.path().join("app.log.1")).unwrap();
        append(&case.path(), "fresh\n");
        assert_eq!(
            case.ask(10),
            Err(Miss::Failed("ERROR before rotation".into()))
        );
        assert!(case.ask(100).is_ok());
        std::fs::rename(case.path(), case.folder.path().join("app.log.2")).unwrap();
        append(&case.path(), "ERROR after rotation\n");
        assert_eq!(
            case.ask(110),
            Err(Miss::Failed("ERROR after rotation".into()))
        );
    }

    #[test]
    fn truncation_begins_the_file_anew() {
        let mut case = Case::new(true);
        append(&case.path(), &"noise\n".repeat(100));
        case.ask(0).unwrap();
        std::fs::write(case.path(), "ERROR 1\n").unwrap();
        assert_eq!(case.ask(10), Err(Miss::Failed("ERROR 1".into())));
    }

    #[test]
    fn a_line_that_should_come_is_unknown_until_watched_long_enough() {
        let mut case = Case::new(false);
        assert!(matches!(case.ask(0), Err(Miss::Unknown(_))));
        append(&case.path(), "READY\n");
        assert!(case.ask(30).is_ok());
        assert!(matches!(case.ask(100), Err(Miss::Failed(_))));
    }

    #[test]
    fn a_file_nobody_writes_to_fails_at_once() {
        let mut case = Case::new(false);
        let question = Question {
            within: MINUTE,
            absent: false,
        };
        let later = SystemTime::now() + Duration::from_secs(3600);
        assert!(matches!(
            case.watch.ask(&question, case.start, later),
            Err(Miss::Failed(_))
        ));
    }

    #[test]
    fn a_missing_file_and_a_folder_are_unknown() {
        let mut case = Case::new(true);
        std::fs::remove_file(case.path()).unwrap();
        assert!(matches!(case.ask(0), Err(Miss::Unknown(_))));
        std::fs::create_dir(case.path()).unwrap();
        assert!(matches!(case.ask(1), Err(Miss::Unknown(_))));
        std::fs::remove_dir(case.path()).unwrap();
        append(&case.path(), "ERROR first\n");
        assert!(
            matches!(case.ask(2), Err(Miss::Failed(_))),
            "a file that came later is new from its start"
        );
    }

    #[test]
    fn a_line_without_end_and_a_flood_are_bounded() {
        let mut case = Case::new(true);
        case.ask(0).unwrap();
        append(&case.path(), &"x".repeat(LINE * 4));
        case.ask(1).unwrap();
        assert!(case.watch.open.as_ref().unwrap().partial.len() <= LINE);
        append(
            &case.path(),
            &format!("\nERROR lost\n{}\nERROR kept\n", "y".repeat(READ as usize)),
        );
        assert_eq!(case.ask(2), Err(Miss::Failed("ERROR kept".into())));
    }
}
