//! `make test`: every stage timed, the lab taken down whatever happens, one table at the end.

use crate::{build, checkout, lab, packages, process, tidy};
use anyhow::{Context, Result, anyhow, bail};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const STAGES: &[&str] = &["lint", "ui", "rust", "e2e"];

struct Options {
    only: Vec<String>,
    cache: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            only: Vec::new(),
            cache: std::env::var_os("CI").is_some(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--cache" => options.cache = true,
                "--only" => {
                    let names = args.next().context("--only what?")?;
                    options.only = names.split(',').map(str::to_owned).collect();
                }
                other => bail!("no option `{other}`; there are --only and --cache"),
            }
        }
        if let Some(wrong) = options
            .only
            .iter()
            .find(|name| !STAGES.contains(&name.as_str()))
        {
            bail!("no stage `{wrong}`; there are {}", STAGES.join(", "));
        }
        Ok(options)
    }

    fn wants(&self, stage: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == stage)
    }
}

pub fn everything(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    if options.cache && std::env::var_os("CARGO_TARGET_DIR").is_none() {
        // Outside of the checkout, so that a fresh clone finds its dependencies built.
        let target = checkout::cache().join("target");
        println!("building in {}", target.display());
        return again_with_target(&target, args);
    }
    let mut report = Report::default();
    let needs_lab = options.wants("rust") || options.wants("e2e");
    let mut lab = None;
    if needs_lab {
        let packages = [packages::DOCKER, packages::LXD, packages::TESTS].concat();
        if report.stage("packages", || packages::ensure(&packages)) {
            lab = Some(Lab::start());
        }
    }
    let ui = !(options.wants("ui") || needs_lab || options.wants("lint"))
        || report.stage("ui build", build::ui);
    if options.wants("ui") {
        report.stage("ui check", || {
            process::run(checkout::npm("ui").args(["run", "check"]))
        });
        report.stage_keeping("ui test", || {
            process::run_keeping(checkout::npm("ui").args(["test"]), |line| {
                line.trim_start().starts_with("Tests ")
            })
        });
        report.stage_keeping("ui size", || {
            process::run_keeping(checkout::npm("ui").args(["run", "size"]), |line| {
                line.starts_with("initial JavaScript")
            })
        });
    }
    if options.wants("lint") && ui {
        lint(&mut report);
    }
    if needs_lab && ui {
        let built = report.stage("rust build", build_all);
        if let Some(lab) = &mut lab {
            let up = report.stage("lab up (rest of it)", || lab.join());
            if built && up && options.wants("rust") {
                report.stage_keeping("rust tests", rust_tests);
            }
            if built && up && options.wants("e2e") {
                end_to_end(&mut report);
            }
        }
    }
    if let Some(lab) = lab {
        process::forget_signals();
        report.stage("lab down", || lab.end());
    }
    report.print()
}

pub fn lint_alone() -> Result<()> {
    let mut report = Report::default();
    lint(&mut report);
    report.print()
}

fn lint(report: &mut Report) {
    report.stage("fmt", || {
        process::run(checkout::cargo().args(["fmt", "--all", "--check"]))
    });
    report.stage("tidy", tidy::all);
    // The release profile shares its build scripts and macros with the build that follows.
    report.stage("clippy", || {
        process::run(
            checkout::cargo()
                .args([
                    "clippy",
                    "--release",
                    "--locked",
                    "--workspace",
                    "--all-targets",
                    "--",
                ])
                .args(["-D", "warnings"]),
        )
    });
}

/// Tests and binary in one go and one profile: what is tested is what runs.
fn build_all() -> Result<()> {
    process::run(checkout::cargo().args([
        "build",
        "--release",
        "--locked",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
    ]))
}

fn rust_tests() -> (Vec<String>, Result<()>) {
    let mut command = checkout::cargo();
    command
        .args([
            "test",
            "--release",
            "--locked",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ])
        .envs(environment());
    process::run_keeping(&mut command, |line| {
        line.starts_with("test result:") && !line.contains(" 0 passed; 0 failed")
    })
}

fn end_to_end(report: &mut Report) {
    if !report.stage("e2e install", || build::install("e2e")) {
        return;
    }
    report.stage("e2e check", || {
        process::run(checkout::npm("e2e").args(["run", "check"]))
    });
    report.stage_keeping("e2e", || {
        let mut command = checkout::npm("e2e");
        command.args(["test"]).envs(environment());
        process::run_keeping(&mut command, |line| {
            ["ℹ tests ", "ℹ pass ", "ℹ fail ", "ℹ duration_ms "]
                .iter()
                .any(|start| line.starts_with(start))
        })
    });
}

fn environment() -> Vec<(&'static str, String)> {
    let mut env = lab::env();
    env.push(("STEAD_BIN", binary("stead").display().to_string()));
    env.push((
        "STEAD_MONTH_BIN",
        binary("stead-month").display().to_string(),
    ));
    env.push(("CHROMIUM", "/usr/bin/chromium".into()));
    env
}

fn binary(name: &str) -> PathBuf {
    checkout::target().join("release").join(name)
}

/// Becomes the same command with `CARGO_TARGET_DIR` set: the environment of a running process is not safe to change.
fn again_with_target(target: &std::path::Path, args: &[String]) -> Result<()> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    Err(command
        .arg("test")
        .args(args)
        .env("CARGO_TARGET_DIR", target)
        .exec()
        .into())
}

/// The lab comes up while the compilers work; it is taken down only if this run brought it up.
struct Lab {
    starting: Option<JoinHandle<Result<bool>>>,
    ours: bool,
}

impl Lab {
    fn start() -> Self {
        Self {
            starting: Some(std::thread::spawn(lab::up)),
            ours: true,
        }
    }

    fn join(&mut self) -> Result<()> {
        match self.starting.take() {
            Some(thread) => {
                self.ours = thread
                    .join()
                    .map_err(|_| anyhow!("the lab's start panicked"))??;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn end(mut self) -> Result<()> {
        // Half a lab is ours as well: `join` leaves `ours` true when the start failed.
        let started = self.join();
        if !self.ours {
            println!("the lab was up before: it stays up");
            return started;
        }
        lab::command(&["down".into()]).and(started)
    }
}

#[derive(Default)]
struct Report {
    lines: Vec<(String, Duration, Option<String>)>,
    closing: Vec<String>,
}

impl Report {
    fn stage(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        self.stage_keeping(name, || (Vec::new(), work()))
    }

    /// As [`Report::stage`]; the lines the work returns are shown again at the end.
    fn stage_keeping(
        &mut self,
        name: &str,
        work: impl FnOnce() -> (Vec<String>, Result<()>),
    ) -> bool {
        println!("\n=== {name}");
        let began = Instant::now();
        let (kept, outcome) = if process::stopping() {
            (Vec::new(), Err(anyhow!("interrupted")))
        } else {
            work()
        };
        self.closing
            .extend(kept.into_iter().map(|line| format!("{name}: {line}")));
        let failure = outcome.err().map(|error| format!("{error:#}"));
        if let Some(why) = &failure {
            eprintln!("{name}: {why}");
        }
        let passed = failure.is_none();
        self.lines.push((name.to_owned(), began.elapsed(), failure));
        passed
    }

    fn print(self) -> Result<()> {
        println!("\n{}", self.closing.join("\n"));
        println!("\n{:<22} {:>8}", "stage", "seconds");
        for (name, took, failure) in &self.lines {
            let verdict = if failure.is_some() { "FAILED" } else { "ok" };
            println!("{name:<22} {:>8.1}  {verdict}", took.as_secs_f64());
        }
        let total: Duration = self.lines.iter().map(|line| line.1).sum();
        println!("{:<22} {:>8.1}", "total", total.as_secs_f64());
        let failed: Vec<&str> = self
            .lines
            .iter()
            .filter(|line| line.2.is_some())
            .map(|line| line.0.as_str())
            .collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        println!("\nall passed");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_stage_is_refused() {
        assert!(Options::parse(&["--only".into(), "rusty".into()]).is_err());
        assert!(Options::parse(&["--only".into(), "rust,ui".into()]).is_ok());
    }

    #[test]
    fn one_failed_stage_fails_the_run_and_the_others_still_ran() {
        let mut report = Report::default();
        assert!(!report.stage("a", || bail!("no")));
        assert!(report.stage("b", || Ok(())));
        let error = report.print().unwrap_err();
        assert_eq!(error.to_string(), "failed: a");
    }
}
