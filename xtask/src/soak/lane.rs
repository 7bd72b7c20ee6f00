//! One Stead, its containers, and who kills it.

use super::load::{Acknowledged, Load};
use crate::bench::containers;
use crate::bench::server::Stead;
use crate::process;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Containers of a lane.
const PATIENTS: u64 = 8;
/// At most so many of them are ill at a time: more is for the brake, which has tests of its own.
const ILL: usize = 3;
/// Everything is over by then, after the last kill; failed repairs back off for some time.
const QUIET_WITHIN: Duration = Duration::from_secs(300);

/// Half of the containers are repaired without asking, for as long as they do not flap; all others wait for a person.
const POLICY: &str = "fleet: soak
policy:
  rules:
    - { match: { action: container_restart, service: 'auto-*' }, automatic: true }
    - { match: { action: container_restart }, automatic: false }
  limits: { per_target_per_hour: 100, concurrent: 8, concurrent_per_node: 8, mass_drift: 100%, back_off: 10s }
  repairs:
    - { drift: unhealthy_service, action: container_restart }
    - { drift: missing_service, action: container_restart }
";

pub struct Lane {
    number: u64,
    kills: u64,
    stead: Stead,
    binary: PathBuf,
    patients: Vec<Patient>,
    dice: Dice,
}

struct Patient {
    container: String,
    dir: PathBuf,
}

/// What remains of a lane when it is over.
pub struct Lived {
    pub number: u64,
    pub kills: u64,
    pub containers: Vec<String>,
    pub acknowledged: Acknowledged,
    /// The whole log, oldest first.
    pub events: Vec<Value>,
    /// Records that `stead rebuild --check` found sound.
    pub records: u64,
}

impl Lane {
    pub fn prepare(number: u64, kills: u64, binary: &Path, dir: &Path) -> Result<Lane> {
        let (mut patients, mut services) = (Vec::new(), String::from("services:\n"));
        for n in 0..PATIENTS {
            let patient = Patient {
                container: format!("stead-soak-{number}-{n}"),
                dir: dir.join(format!("patient-{n}")),
            };
            fs::create_dir_all(&patient.dir)?;
            containers::marked(&patient.container, &patient.dir)?;
            let word = if n % 2 == 0 { "auto" } else { "asks" };
            services.push_str(&format!(
                "  {word}-{n}: {{ kind: container, container: {}, patience: {{ failures: 1 }}, \
                 checks: [ {{ file: {{ path: \"{}\", every: 1s }} }} ] }}\n",
                patient.container,
                patient.dir.join("open").display()
            ));
            patients.push(patient);
        }
        let stead = Stead::start(binary, dir, POLICY, &services)?;
        stead.healthy(PATIENTS)?;
        Ok(Lane {
            number,
            kills,
            stead,
            binary: binary.to_owned(),
            patients,
            dice: Dice(number + 1),
        })
    }

    /// Kills and starts again until the last kill, then lets everything end.
    pub fn live(mut self) -> Result<Lived> {
        let load = Load::begin(self.stead.url(), &self.stead.data())?;
        for kill in 1..=self.kills {
            ensure!(!process::stopping(), "interrupted");
            self.fall_ill()?;
            std::thread::sleep(self.dice.moment());
            self.kill_and_start()?;
            if kill % 50 == 0 {
                println!("lane {}: {kill} of {} kills", self.number, self.kills);
            }
        }
        self.stead.answers()?;
        load.stop_reporting();
        self.quiet()?;
        let acknowledged = load.end()?;
        let events = self.log()?;
        self.stead.end();
        let records = self.sound()?;
        Ok(Lived {
            number: self.number,
            kills: self.kills,
            containers: self.patients.iter().map(|p| p.container.clone()).collect(),
            acknowledged,
            events,
            records,
        })
    }

    /// Takes one that is well its mark away, or makes it crash.
    fn fall_ill(&mut self) -> Result<()> {
        let ill = |p: &Patient| !p.dir.join("open").exists();
        if self.patients.iter().filter(|p| ill(p)).count() >= ILL {
            return Ok(());
        }
        let patient = &self.patients[self.dice.below(PATIENTS) as usize];
        if ill(patient) {
            return Ok(());
        }
        if self.dice.below(4) == 0 {
            fs::write(patient.dir.join("die"), "")?;
        }
        match fs::remove_file(patient.dir.join("open")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn kill_and_start(&mut self) -> Result<()> {
        let which = self.dice.below(5);
        if which != 0 {
            self.stead.kill_server()?;
        }
        if which < 3 {
            self.stead.kill_agent()?;
        }
        // Sometimes the other one notices before it is back.
        if self.dice.below(3) == 0 {
            std::thread::sleep(Duration::from_millis(self.dice.below(700)));
        }
        if which != 0 {
            self.stead.start_server()?;
        }
        if which < 3 {
            self.stead.start_agent()?;
        }
        Ok(())
    }

    /// Waits until everybody is well and nothing is open any more.
    fn quiet(&self) -> Result<()> {
        let open = || -> Result<usize> {
            let actions = self.stead.ask(&["actions"])?;
            let actions = actions.as_array().context("no list of actions")?;
            let state = |action: &&Value| {
                matches!(
                    action["state"].as_str(),
                    Some("pending" | "approved" | "running")
                )
            };
            Ok(actions.iter().filter(state).count())
        };
        let mut still = String::new();
        let deadline = Instant::now() + QUIET_WITHIN;
        while Instant::now() < deadline {
            ensure!(!process::stopping(), "interrupted");
            let (healthy, open) = (self.stead.healthy(PATIENTS), open());
            if healthy.is_ok() && matches!(open, Ok(0)) {
                return Ok(());
            }
            still = format!("healthy: {healthy:?}, open actions: {open:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
        anyhow::bail!(
            "lane {}: not quiet after the last kill: {still}",
            self.number
        )
    }

    /// Everything, page by page.
    fn log(&self) -> Result<Vec<Value>> {
        let token = super::load::token(&self.stead.data())?;
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            let path = format!("/api/v1/events?order=asc&limit=1000&after={after}");
            let (status, page) = super::load::ask(self.stead.url(), &token, "GET", &path, None)?;
            ensure!(status == 200, "GET {path}: {status}");
            let Some(page) = page["events"].as_array().filter(|page| !page.is_empty()) else {
                return Ok(events);
            };
            events.extend(page.iter().cloned());
            after = events
                .last()
                .and_then(|event| event["seq"].as_u64())
                .context("an event without a number")?;
        }
    }

    /// Lets the binary itself say whether the log is whole and its checkpoint says the same.
    fn sound(&self) -> Result<u64> {
        let said = process::quiet(
            Command::new(&self.binary)
                .args(["rebuild", "--check", "--json", "--data"])
                .arg(self.stead.data()),
        )?;
        let said: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
        said["records"].as_u64().context("no number of records")
    }
}

/// Moments and choices that are the same in each run; when they fall is the machine's doing.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Mostly in the middle of a start or of the first words; now and then after a repair could have been finished.
    fn moment(&mut self) -> Duration {
        Duration::from_millis(match self.below(10) {
            0..6 => 30 + self.below(800),
            _ => 2_000 + self.below(3_500),
        })
    }
}
