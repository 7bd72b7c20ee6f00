//! What is wrong with a fleet's files: one type for all of it, so that every problem says where it is and what to do.

use serde::Serialize;
use std::fmt;

/// Problems kept for one tree; the rest is counted in one last line.
pub const MAX_PROBLEMS: usize = 1000;

/// Whether the tree can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The whole tree is refused; the last good one stays.
    Error,
    /// Worth mending; the tree is used.
    Warning,
}

macro_rules! codes {
    ($($name:ident = $text:literal, $severity:ident, $why:literal;)*) => {
        /// What kind of problem it is. Stable: scripts and the documentation name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $why] $name,)*
        }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// `unknown-key`
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// One sentence for the reference.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => $why,)* }
            }
        }
    };
}

codes! {
    // The tree
    NoSteadYaml = "no-stead-yaml", Error, "The directory has no `stead.yaml`, so it is no fleet directory. An empty directory is never taken for a fleet without services.";
    NoPolicy = "no-policy", Error, "A policy was to be tried, and the file holds none. It is never taken for the defaults.";
    NoNodes = "no-nodes", Warning, "No folder under `hosts/` holds a file, so the fleet has no nodes and nothing is desired.";
    Symlink = "symlink", Error, "A file or folder is a symbolic link. Links are never followed: they could point outside the fleet directory.";
    NotAFile = "not-a-file", Error, "A place that must be a file or a folder is something else (a pipe, a socket, a device, a submodule).";
    Unreadable = "unreadable", Error, "A file or folder cannot be read.";
    FileTooLarge = "file-too-large", Error, "A file is larger than 1 MiB.";
    TreeTooLarge = "tree-too-large", Error, "The tree has more files or bytes than Stead reads.";
    UnknownFile = "unknown-file", Warning, "A YAML file lies in a place where Stead reads files, under a name it does not know. It is not read.";
    DuplicateFile = "duplicate-file", Error, "The same file exists as `.yaml` and as `.yml`.";
    EmptyNode = "empty-node", Warning, "A folder under `hosts/` holds none of the files that make it a node. It is not read as one.";
    TooManyProblems = "too-many-problems", Error, "There are more problems than are listed.";
    // YAML
    NotUtf8 = "not-utf8", Error, "A file is not UTF-8 text.";
    YamlSyntax = "yaml-syntax", Error, "A file is not valid YAML.";
    YamlLimits = "yaml-limits", Error, "A file nests too deep, repeats too much through aliases, or has too many values.";
    YamlDocuments = "yaml-documents", Error, "A file holds more than one YAML document.";
    DuplicateKey = "duplicate-key", Error, "A key is given twice in the same map; services and jobs are keys, too.";
    // Shape
    UnknownKey = "unknown-key", Error, "A key that the grammar does not have.";
    MissingKey = "missing-key", Error, "A key that must be given is not.";
    WrongType = "wrong-type", Error, "A value of another type than the key takes.";
    UnknownWord = "unknown-word", Error, "A value outside the list of words the key takes.";
    OutOfRange = "out-of-range", Error, "A number outside the range the key takes.";
    BadDuration = "bad-duration", Error, "A length of time that cannot be read. Write `250ms`, `10s`, `5m`, `1h` or `7d`.";
    BadSize = "bad-size", Error, "A size that cannot be read. Write `64m`, `1MB` or `1GiB`.";
    BadPercent = "bad-percent", Error, "A percentage that cannot be read or is not between 0 and 100. Write `70%`.";
    BadWindow = "bad-window", Error, "A time of day window that cannot be read. Write `22:00-07:00`.";
    BadDays = "bad-days", Error, "Days of the week that cannot be read. Write `Sun`, `Mon-Fri` or `Sat,Sun`.";
    BadBusinessHours = "bad-business-hours", Error, "Business hours that cannot be read. Write `Mon-Fri 09:00-17:00`.";
    BadDate = "bad-date", Error, "A day that cannot be read, or that no calendar has. Write `2026-12-25`.";
    BadLevel = "bad-level", Error, "A level that does not exist, or level 3, which is never automatic. Write 0, 1 or 2.";
    BadMaintenance = "bad-maintenance", Error, "A maintenance window that cannot be read. Write `Sun 03:00-05:00 Europe/Warsaw`.";
    BadSchedule = "bad-schedule", Error, "A cron expression that cannot be read. Write five fields, as in `30 2 * * *`.";
    UnknownTimezone = "unknown-timezone", Error, "A time zone that no time zone database has. Write it like `Europe/Warsaw` or `UTC`.";
    ScheduleNever = "schedule-never", Error, "A cron expression that can be read but names no instant that ever comes, such as 30 February.";
    EmptyWindow = "empty-window", Error, "A time that has no length: a window that begins and ends at the same minute, or an empty list of days. Write `00:00-24:00` for the whole day.";
    OverlappingWindows = "overlapping-windows", Warning, "Two maintenance windows of a node have time in common; the node is locked from the first beginning to the last end.";
    // Names
    BadName = "bad-name", Error, "A name that could leave its folder, become an option of a command, or is no name at all.";
    LeadingDash = "leading-dash", Error, "A text that a command would take for an option, because it starts with `-`.";
    BadPath = "bad-path", Error, "A path that is not absolute, or that contains `..`.";
    UnknownNode = "unknown-node", Error, "A service, a step or the drill names a node that has no folder under `hosts/`.";
    WrongNode = "wrong-node", Error, "A service names another node than the one whose folder it is written in.";
    UnmatchedNode = "unmatched-node", Warning, "An alias or a rule names a node that has no folder under `hosts/`.";
    UnmatchedService = "unmatched-service", Warning, "A rule names a service that no file has.";
    AliasShadows = "alias-shadows", Error, "An alias is the name of a node that has its own folder; that node could never be seen.";
    AliasChain = "alias-chain", Error, "An alias points to another alias or to itself. Exactly one step is followed.";
    AliasOverridden = "alias-overridden", Warning, "`NODE_ALIAS_MAP` and `stead.yaml` give the same alias different nodes; `NODE_ALIAS_MAP` wins.";
    BadAliasMap = "bad-alias-map", Error, "`NODE_ALIAS_MAP` is not a JSON object of texts.";
    ActionCollision = "action-collision", Error, "Two services would share action IDs, because node and service names join to the same text.";
    // Services
    KeyNotForKind = "key-not-for-kind", Error, "A key that services of another kind take.";
    ImageMissing = "image-missing", Error, "A container has keys that describe how to create it, but no `image`.";
    BadImage = "bad-image", Error, "A text that is no image reference.";
    BadPort = "bad-port", Error, "A port mapping that cannot be read. Write `[[IP:]HOST:]CONTAINER[/PROTOCOL]`.";
    BadVolume = "bad-volume", Error, "A volume that cannot be read. Write `SOURCE:TARGET[:ro]` with absolute paths or a volume name.";
    BadRestart = "bad-restart", Error, "A restart policy that the engine does not know.";
    BadEnvironment = "bad-environment", Error, "An environment or label entry that cannot be read.";
    BadCommand = "bad-command", Error, "A command that is empty or cannot be split into words.";
    ShellSyntax = "shell-syntax", Warning, "A command written as one text contains shell syntax. No shell reads it.";
    UnknownService = "unknown-service", Error, "`needs` names a service that its node does not have.";
    NeedsCycle = "needs-cycle", Error, "Services need each other in a circle, so that none could ever be first.";
    ClaimedTwice = "claimed-twice", Error, "Two services of a node claim the same container, unit, process or compose service.";
    ThresholdOrder = "threshold-order", Error, "Thresholds do not rise from note over warn to critical.";
    // Checks
    OneProbe = "one-probe", Error, "A check asks nothing, or two things at once.";
    DuplicateCheck = "duplicate-check", Error, "Two checks of a service have the same name.";
    UrlScheme = "url-scheme", Error, "An address with another scheme than `http` or `https`.";
    BadUrl = "bad-url", Error, "An address that cannot be read.";
    BadHost = "bad-host", Error, "A text that is no host name or address.";
    BadHeader = "bad-header", Error, "An HTTP method or header that cannot be sent.";
    BadPattern = "bad-pattern", Error, "A pattern that is not a valid regular expression.";
    TimeoutTooLong = "timeout-too-long", Warning, "A check may take longer than its own interval.";
    PlainSecret = "plain-secret", Warning, "A secret is written in a file. Write `secret:NAME` instead.";
    // Policy, jobs, channels
    BadSelector = "bad-selector", Error, "A selector that cannot be read. Write it like `service/*/web-*`.";
    EmptyMatch = "empty-match", Error, "A rule matches nothing, because its match is empty. Empty never means everything.";
    UnknownAction = "unknown-action", Error, "A rule names an action that Stead does not have.";
    UnknownDrift = "unknown-drift", Error, "A repair names a kind of drift that Stead does not have.";
    UnknownTrigger = "unknown-trigger", Error, "A repair names something to be triggered by that Stead never sees.";
    DestructiveAutomatic = "destructive-automatic", Error, "A rule wants to make only destructive actions automatic. Those are always asked.";
    RuleAnswer = "rule-answer", Error, "A rule of the policy gives no answer, or several: it takes exactly one of `automatic`, `max_level` and `earn`.";
    RuleNeverApplies = "rule-never-applies", Error, "A rule of the policy can never apply: an earlier one matches the same and more, holds at least as long, and says something else; or its own times exclude each other.";
    LimitsContradict = "limits-contradict", Error, "A limit for one node is wider than the one for the whole fleet, so it could never be reached.";
    OneOf = "one-of", Error, "Exactly one of several keys must be given.";
    UnknownChannel = "unknown-channel", Error, "A route names a channel that `channels:` does not have.";
    BadNetwork = "bad-network", Error, "A network that cannot be read. Write `192.168.0.0/16` or one address.";
    DrillOnInspector = "drill-on-inspector", Error, "The drill is on a node where Stead only looks, so it could neither break nor mend anything.";
    BadTiers = "bad-tiers", Error, "The tiers of the history do not fit together: each is coarser than the one before by a whole factor, and kept longer.";
    NothingRecords = "nothing-records", Error, "The server is to keep no samples, and no Prometheus is named that does: every page of numbers would be empty.";
    DrillNameTaken = "drill-name-taken", Error, "A service of the drill's node has the name or the container that belongs to the drill's canary.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Relative to the fleet directory, with `/`; empty when it is about the directory itself.
    pub file: String,
    /// Starts at 1; 0 when it is about the file as a whole.
    pub line: u32,
    /// In characters, starts at 1; 0 when it is about the file as a whole.
    pub column: u32,
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    /// What to do.
    pub help: String,
    /// Characters to underline from `column` on.
    #[serde(skip)]
    pub length: u32,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(
        file: &str,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        Problem::at(file, crate::node::Mark::default(), code, message, help)
    }

    pub(crate) fn at(
        file: &str,
        at: crate::node::Mark,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        Problem {
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            code,
            severity: code.severity(),
            message: message.into(),
            help: help.into(),
            length: at.length,
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    /// `hosts/piha/services.yaml:3:5: error[unknown-key]: … (help)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            file,
            line,
            column,
            code,
            message,
            help,
            ..
        } = self;
        match file.as_str() {
            "" => f.write_str("fleet directory")?,
            file => f.write_str(file)?,
        }
        if *line > 0 {
            write!(f, ":{line}:{column}")?;
        }
        let word = if self.is_error() { "error" } else { "warning" };
        write!(f, ": {word}[{code}]: {message} ({help})")
    }
}

/// Sorts problems into the order of the files, drops doubles, and keeps at most [`MAX_PROBLEMS`], errors first to stay.
pub(crate) fn tidy(mut problems: Vec<Problem>) -> Vec<Problem> {
    let total = problems.len();
    if total > MAX_PROBLEMS {
        problems.sort_by_key(|p| p.severity);
        problems.truncate(MAX_PROBLEMS);
    }
    problems.sort_by(|a, b| {
        (&a.file, a.line, a.column, a.code, &a.message)
            .cmp(&(&b.file, b.line, b.column, b.code, &b.message))
    });
    problems.dedup();
    if total > MAX_PROBLEMS {
        let more = total - MAX_PROBLEMS;
        let mut last = Problem::of_file(
            "",
            Code::TooManyProblems,
            format!("{more} more problems are not listed"),
            "mend these first",
        );
        if problems.iter().all(|p| !p.is_error()) {
            last.severity = Severity::Warning;
        }
        problems.push(last);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit()),
                "{code}"
            );
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!(code.explanation().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn a_flood_of_problems_is_cut_and_says_so() {
        let many = (0..MAX_PROBLEMS + 7)
            .map(|n| Problem::of_file(&format!("{n:05}"), Code::UnknownKey, "x", "y"))
            .collect();
        let kept = tidy(many);
        assert_eq!(kept.len(), MAX_PROBLEMS + 1);
        assert!(kept.last().is_some_and(|p| p.message.starts_with("7 more")));
    }

    #[test]
    fn json_has_exactly_the_promised_fields() {
        let problem = Problem::of_file("stead.yaml", Code::UnknownKey, "m", "h");
        let json = serde_json::to_value(problem).expect("serialises");
        let keys: Vec<_> = json.as_object().expect("object").keys().cloned().collect();
        assert_eq!(
            keys,
            [
                "code", "column", "file", "help", "line", "message", "severity"
            ]
        );
        assert_eq!(json["code"], "unknown-key");
        assert_eq!(json["severity"], "error");
    }
}
