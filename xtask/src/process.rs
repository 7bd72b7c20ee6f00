//! Running other programs: each in a process group of its own, ended with its children when we are asked to stop.
//!
//! A group of its own keeps Ctrl-C from reaching the lab's daemons through the terminal; what runs in the
//! foreground gets the signal from us instead.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a foreground child may take to leave after it was asked to.
const GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on SIGINT, SIGTERM and SIGHUP only raise a flag; every wait in this module looks at it.
pub fn catch_signals() {
    let flag = STOP.get_or_init(Default::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        // Registration fails only for signals that cannot be caught.
        let _ = signal_hook::flag::register(signal, Arc::clone(flag));
    }
}

pub fn stopping() -> bool {
    STOP.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Lets the clean-up run its own commands after a signal.
pub fn forget_signals() {
    if let Some(flag) = STOP.get() {
        flag.store(false, Ordering::Relaxed);
    }
}

/// Runs in the foreground, output shown; an error names the command when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let child = spawn(command.stdin(Stdio::null()))?;
    judge(command, wait(child)?)
}

/// As [`run`], but returns the lines of standard output for which `keep` is true.
pub fn run_keeping(command: &mut Command, keep: fn(&str) -> bool) -> (Vec<String>, Result<()>) {
    announce(command);
    let mut child = match spawn(command.stdin(Stdio::null()).stdout(Stdio::piped())) {
        Ok(child) => child,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let reader = child
        .stdout
        .take()
        .map(|out| std::thread::spawn(move || tee(out, keep)));
    let outcome = wait(child).and_then(|status| judge(command, status));
    let kept = reader
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    (kept, outcome)
}

/// Runs silently; what it printed is part of the error when it fails.
pub fn quiet(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    bail!(
        "{} ended with {}\n{}{}",
        shown(command),
        output.status,
        stdout,
        stderr.trim_end()
    )
}

/// True when it ran and ended with 0; never an error.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Starts a program that outlives this one, its output in `log`.
pub fn daemon(command: &mut Command, log: &std::path::Path) -> Result<u32> {
    let out =
        std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let err = out.try_clone()?;
    let child = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    Ok(child.id())
}

/// Polls until `ready` is true. The message is for the reader who wonders why it did not come true.
pub fn until(limit: Duration, why: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        if ready() {
            return Ok(());
        }
        if stopping() {
            bail!("interrupted");
        }
        if Instant::now() >= deadline {
            bail!("gave up after {} s: {why}", limit.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

pub fn spawn(command: &mut Command) -> Result<Child> {
    command
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))
}

/// Waits for a child of [`spawn`]; when we are asked to stop, asks its whole group first.
pub fn wait(mut child: Child) -> Result<ExitStatus> {
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match asked {
            None if stopping() => {
                signal_group(&child, Signal::INT);
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > GRACE => signal_group(&child, Signal::KILL),
            _ => {}
        }
        std::thread::sleep(POLL);
    }
}

fn signal_group(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have left in the meantime; then there is nothing to signal.
        let _ = kill_process_group(pid, signal);
    }
}

fn tee(out: impl std::io::Read, keep: fn(&str) -> bool) -> Vec<String> {
    let mut kept = Vec::new();
    for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut stdout = std::io::stdout().lock();
        // A closed terminal must not stop the run.
        let _ = writeln!(stdout, "{line}");
        if keep(&line) {
            kept.push(line);
        }
    }
    kept
}

fn judge(command: &Command, status: ExitStatus) -> Result<()> {
    if stopping() {
        bail!("interrupted");
    }
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_what_it_printed() {
        let error =
            quiet(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sh -c") && text.contains("out") && text.contains("err"),
            "{text}"
        );
    }

    #[test]
    fn chosen_lines_are_kept() {
        let mut command = Command::new("printf");
        command.arg("one\\ntwo\\n");
        let (kept, outcome) = run_keeping(&mut command, |line| line.starts_with('t'));
        outcome.unwrap();
        assert_eq!(kept, ["two"]);
    }

    #[test]
    fn waiting_ends_at_the_deadline_with_the_reason() {
        let error = until(Duration::from_millis(1), "it never rains", || false).unwrap_err();
        assert!(error.to_string().contains("it never rains"));
    }
}
