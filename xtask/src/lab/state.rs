//! Which processes are the lab's: pid and start time, so that a pid that was given out again is not taken for ours.

use super::run_path;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use std::fs;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct State {
    daemons: Map<String, Value>,
}

impl State {
    /// What cannot be read counts as nothing started: then nothing is ended either.
    pub fn load() -> Self {
        let text = fs::read_to_string(run_path("lab.json")).unwrap_or_default();
        let daemons = match serde_json::from_str(&text) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        Self { daemons }
    }

    pub fn remember(&mut self, name: &str, pid: u32) -> Result<()> {
        self.daemons
            .insert(name.into(), json!({ "pid": pid, "started": started(pid) }));
        self.save()
    }

    pub fn running(&self, name: &str) -> Option<u32> {
        let entry = self.daemons.get(name)?;
        let pid = u32::try_from(entry.get("pid")?.as_u64()?).ok()?;
        let known = entry.get("started")?.as_u64()?;
        (started(pid) == Some(known)).then_some(pid)
    }

    /// Asks the process to leave, and makes it leave after `patience`.
    pub fn end(&mut self, name: &str, patience: Duration) -> Result<()> {
        if let Some(pid) = self.running(name) {
            signal(pid, Signal::TERM)?;
            if crate::process::until(patience, "a daemon does not leave", || {
                self.running(name).is_none()
            })
            .is_err()
            {
                signal(pid, Signal::KILL)?;
                crate::process::until(Duration::from_secs(5), "not even SIGKILL ended it", || {
                    self.running(name).is_none()
                })?;
            }
        }
        self.daemons.remove(name);
        self.save()
    }

    fn save(&self) -> Result<()> {
        let path = run_path("lab.json");
        fs::write(&path, serde_json::to_string_pretty(&self.daemons)?)
            .with_context(|| path.display().to_string())
    }
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("pid 0")?;
    Ok(kill_process(pid, signal)?)
}

/// Field 22 of `/proc/PID/stat`, in clock ticks since boot. None for a process that is gone or a zombie.
fn started(pid: u32) -> Option<u64> {
    parse_start(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_start(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything, so count from its end.
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_read_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 98765 1 2";
        assert_eq!(parse_start(stat), Some(98765));
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        assert_eq!(
            parse_start("42 (lxd) Z 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 98765"),
            None
        );
    }

    #[test]
    fn a_process_is_ours_only_with_the_start_time_we_wrote_down() {
        let me = std::process::id();
        let mut state = State::default();
        state
            .daemons
            .insert("me".into(), json!({ "pid": me, "started": started(me) }));
        assert_eq!(state.running("me"), Some(me));
        state
            .daemons
            .insert("me".into(), json!({ "pid": me, "started": 1 }));
        assert_eq!(state.running("me"), None);
    }
}
