//! `make demo`: a handful of real containers, one of which falls ill, for a visitor to watch Stead at work.
//!
//! Touches only containers with the demo's label, and removes exactly those it started.

use crate::{build, checkout, lab, process, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const IMAGE: &str = "stead-demo/busybox:1";
const LABEL: &str = "dev.stead.demo=1";
const NODE: &str = "demo";
const ILL: &str = "stead-demo-shop";
const HEALTHY_FOR: Duration = Duration::from_secs(20);

struct Part {
    name: &'static str,
    script: &'static str,
    health: &'static str,
}

/// The shop's start writes the file its health check looks for: taking the file away makes it ill, a restart well.
const PARTS: &[Part] = &[
    Part {
        name: ILL,
        script: "touch /srv/open; echo Welcome >/www/index.html; exec httpd -f -p 80 -h /www",
        health: "test -e /srv/open || { echo 'the shop is closed: /srv/open is gone'; exit 1; }",
    },
    Part {
        name: "stead-demo-blog",
        script: "echo Hello >/www/index.html; exec httpd -f -p 80 -h /www",
        health: "wget -q -O /dev/null http://127.0.0.1/",
    },
    Part {
        name: "stead-demo-worker",
        script: "trap exit TERM; while :; do echo working; sleep 5 & wait $!; done",
        health: "true",
    },
    Part {
        name: "stead-demo-cache",
        script: "exec httpd -f -p 6379 -h /srv",
        health: "netstat -ltn | grep -q :6379",
    },
];

pub fn play() -> Result<()> {
    let binary = build::product()?;
    let mut own_lab = false;
    let host = if run::docker_answers(None) {
        None
    } else {
        println!("no Docker engine answers here: starting one for the demo alone");
        own_lab = lab::docker_up()?;
        Some(format!("unix://{}", lab::DOCKER_SOCKET))
    };
    let stage = Stage { host };
    let played = stage.play(&binary);
    process::forget_signals();
    let cleared = stage.clear();
    if own_lab {
        lab::command(&["down".into()])?;
    }
    played.and(cleared)
}

struct Stage {
    /// None: where the environment says.
    host: Option<String>,
}

impl Stage {
    fn play(&self, binary: &Path) -> Result<()> {
        let address = self
            .host
            .clone()
            .or_else(|| std::env::var("DOCKER_HOST").ok());
        lab::import_busybox(
            address.as_deref().unwrap_or("unix:///var/run/docker.sock"),
            IMAGE,
        )?;
        self.clear()?;
        for part in PARTS {
            self.start(part)?;
        }
        let data = checkout::data().join("demo");
        // Each demo begins with an empty history.
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let fleet = write_fleet(&data)?;
        println!(
            "\nIn {} s `{ILL}` falls ill. Watch Stead notice, ask, repair and verify. Ctrl-C ends the demo.\n",
            HEALTHY_FOR.as_secs()
        );
        let mut stead = Command::new(binary);
        stead
            .arg("up")
            .arg("--fleet")
            .arg(fleet)
            .arg("--data")
            .arg(&data)
            .args(["--node", NODE]);
        if let Some(host) = &self.host {
            stead.env("DOCKER_HOST", host);
        }
        let child = process::spawn(&mut stead)?;
        std::thread::scope(|scope| {
            scope.spawn(|| self.fall_ill());
            process::wait(child)
        })?;
        Ok(())
    }

    fn start(&self, part: &Part) -> Result<()> {
        process::quiet(
            self.docker()
                .args([
                    "run", "-d", "--name", part.name, "--label", LABEL, "--memory", "64m",
                ])
                .args([
                    "--health-interval",
                    "2s",
                    "--health-retries",
                    "2",
                    "--health-cmd",
                    part.health,
                ])
                .args([IMAGE, "sh", "-c", part.script]),
        )
        .map(|_| println!("started {}", part.name))
    }

    fn fall_ill(&self) {
        let since = Instant::now();
        while since.elapsed() < HEALTHY_FOR {
            if process::stopping() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        match process::quiet(self.docker().args(["exec", ILL, "rm", "-f", "/srv/open"])) {
            Ok(_) => println!("\n{ILL} is falling ill now\n"),
            Err(error) => eprintln!("could not make {ILL} ill: {error:#}"),
        }
    }

    /// Removes the demo's containers, those of a demo that was killed included.
    fn clear(&self) -> Result<()> {
        for part in PARTS {
            let labelled = format!("label={LABEL}");
            let named = format!("name=^/{}$", part.name);
            let id = process::quiet(
                self.docker()
                    .args(["ps", "-aq", "--filter", &labelled, "--filter", &named]),
            )?;
            if !id.trim().is_empty() {
                process::quiet(self.docker().args(["rm", "-f", "-v", id.trim()]))
                    .with_context(|| part.name)?;
            }
        }
        Ok(())
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }
}

fn write_fleet(data: &Path) -> Result<PathBuf> {
    let fleet = data.join("fleet");
    let node = fleet.join("hosts").join(NODE);
    fs::create_dir_all(&node)?;
    fs::write(fleet.join("stead.yaml"), "fleet: demo\n")?;
    fs::write(
        node.join("node.yaml"),
        "labels: { purpose: demo }\naccess: operator\n",
    )?;
    let mut services = String::from("services:\n");
    for part in PARTS {
        let name = part.name.trim_start_matches("stead-demo-");
        services.push_str(&format!(
            "  {name}: {{ kind: container, container: {} }}\n",
            part.name
        ));
    }
    fs::write(node.join("services.yaml"), services)?;
    Ok(fleet)
}
