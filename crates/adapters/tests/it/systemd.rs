//! systemd is tested inside a machine of the lab that it is the init of: the test named `a_machine_…` starts one, brings
//! this very program into it, and runs the tests named `inside_…` there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use stead_adapters::systemd::{Options, Systemd, Wanted};
use stead_core::command::Outcome;
use stead_core::facts::{Fact, FactKey, SourceKind, SourceState, UnitFacts};
use stead_core::ids::UnitName;
use stead_core::time::Time;

use crate::engine::until;
use crate::proxy::{Mode, Proxy};
use crate::seen::Seen;

const SOON: Duration = Duration::from_secs(10);
const INSIDE: &str = "STEAD_INSIDE_SYSTEMD";

fn inside() -> bool {
    let inside = std::env::var_os(INSIDE).is_some();
    if !inside {
        eprintln!("runs inside a machine of the lab: make test");
    }
    inside
}

fn systemctl(args: &[&str]) {
    let output = Command::new("systemctl")
        .args(args)
        .output()
        .expect("systemctl");
    assert!(
        output.status.success(),
        "systemctl {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A unit file that goes away with the test.
struct Unit(String);

impl Unit {
    fn write(name: &str, service: &str) -> Unit {
        let unit = Unit(name.to_owned());
        unit.edit(service);
        unit
    }

    fn edit(&self, service: &str) {
        let text = format!(
            "[Unit]\nDescription=Test {}\n[Service]\n{service}\n",
            self.0
        );
        std::fs::write(Path::new("/etc/systemd/system").join(&self.0), text).expect("a unit file");
        systemctl(&["daemon-reload"]);
    }

    fn name(&self) -> UnitName {
        UnitName::new(&self.0).expect("a name")
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        for words in [
            ["stop", "--no-block"],
            ["kill", "--signal=KILL"],
            ["reset-failed", "--quiet"],
        ] {
            let _ = Command::new("systemctl").args(words).arg(&self.0).output();
        }
        let _ = std::fs::remove_file(Path::new("/etc/systemd/system").join(&self.0));
        let _ = Command::new("systemctl").arg("daemon-reload").output();
    }
}

fn watch(systemd: &Systemd, named: &[&str]) -> Seen {
    let names: BTreeSet<UnitName> = named
        .iter()
        .map(|name| UnitName::new(name).expect("a name"))
        .collect();
    systemd.set_units(names);
    let systemd = systemd.clone();
    Seen::of(|out| async move { systemd.watch(out).await })
}

fn unit<'a>(seen: &'a Seen, name: &str) -> Option<&'a UnitFacts> {
    match seen
        .facts
        .get(&FactKey::Unit(UnitName::new(name).expect("a name")))?
    {
        Fact::Unit(facts) => Some(facts),
        _ => None,
    }
}

async fn is(seen: &mut Seen, name: &str, active: &str) -> UnitFacts {
    let what = format!("{name} {active}");
    seen.until(&what, SOON, |seen| {
        unit(seen, name)
            .filter(|facts| facts.active == active)
            .cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_units_are_listed_then_followed() {
    if !inside() {
        return;
    }
    let named = Unit::write("it-named.service", "ExecStart=/bin/sleep 1000");
    let systemd = Systemd::new(Options {
        look_every: Duration::from_secs(1),
        ..Options::default()
    });
    let mut seen = watch(&systemd, &["it-named.service", "it-nowhere.service"]);
    seen.synced().await;
    let source = seen.source(SourceKind::Systemd).expect("told");
    assert!(
        source.state == SourceState::Up && !source.version.is_empty(),
        "{source:?}"
    );
    assert_eq!(
        unit(&seen, "it-nowhere.service").expect("named").load,
        "not-found"
    );
    let before = unit(&seen, "it-named.service").expect("named").clone();
    assert_eq!(
        (
            before.load.as_str(),
            before.active.as_str(),
            before.active_since
        ),
        ("loaded", "inactive", None)
    );
    assert_eq!(before.fragment_digest.len(), 64);
    assert!(
        unit(&seen, "systemd-journald.service").is_none(),
        "the distribution's own is not told"
    );

    systemctl(&["start", "it-named.service"]);
    let active = is(&mut seen, "it-named.service", "active").await;
    assert!(
        active.active_since.is_some() && active.main_pid > 1,
        "{active:?}"
    );
    let begun = std::time::Instant::now();
    systemctl(&["kill", "--signal=KILL", "it-named.service"]);
    let failed = is(&mut seen, "it-named.service", "failed").await;
    eprintln!("killed unit told failed after {:?}", begun.elapsed());
    assert_eq!((failed.result.as_str(), failed.exit_status), ("signal", 9));

    let quiet = seen.told.len();
    seen.during(Duration::from_secs(4)).await;
    assert_eq!(
        seen.told.len(),
        quiet,
        "looking must not make news: {:?}",
        &seen.told[quiet..]
    );

    named.edit("ExecStart=/bin/sleep 2000");
    let edited = |seen: &Seen| {
        unit(seen, "it-named.service").map(|u| u.fragment_digest != before.fragment_digest)
    };
    seen.until("the edit", SOON, |seen| {
        edited(seen).filter(|edited| *edited)
    })
    .await;

    let other = Unit::write("it-other.service", "Type=oneshot\nExecStart=/bin/false");
    let _ = Command::new("systemctl")
        .args(["start", "it-other.service"])
        .output();
    is(&mut seen, "it-other.service", "failed").await;
    systemctl(&["reset-failed", "it-other.service"]);
    seen.until("no longer failed", SOON, |seen| {
        unit(seen, "it-other.service").is_none().then_some(())
    })
    .await;
    drop(other);

    systemd.set_units(BTreeSet::new());
    systemctl(&["reset-failed", "it-named.service"]);
    seen.until("no longer named", SOON, |seen| {
        unit(seen, "it-nowhere.service").is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_unit_is_restarted_and_its_job_awaited() {
    if !inside() {
        return;
    }
    let good = Unit::write("it-good.service", "ExecStart=/bin/sleep 1000");
    let systemd = Systemd::new(Options::default());
    let mut seen = watch(&systemd, &["it-good.service"]);
    seen.synced().await;
    systemctl(&["start", "it-good.service"]);
    systemctl(&["kill", "--signal=KILL", "it-good.service"]);
    is(&mut seen, "it-good.service", "failed").await;
    let outcome = systemd.restart(&good.name(), SOON).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let pid = is(&mut seen, "it-good.service", "active").await.main_pid;
    let outcome = systemd.restart(&good.name(), SOON).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let anew = |seen: &Seen| {
        unit(seen, "it-good.service")
            .filter(|u| u.active == "active" && u.main_pid != pid)
            .map(drop)
    };
    seen.until("another process", SOON, anew).await;
    for _ in 0..2 {
        let outcome = systemd.stop(&good.name(), SOON).await;
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
        is(&mut seen, "it-good.service", "inactive").await;
    }
    let outcome = systemd.restart(&good.name(), SOON).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    // Where no bus runs, that is said; nothing is guessed.
    let without = Systemd::new(Options {
        bus: "/nowhere".into(),
        ..Options::default()
    });
    let outcome = without.restart(&good.name(), SOON).await;
    assert!(
        matches!(&outcome, Outcome::Failed { code, .. } if code == "systemd-no-bus"),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_text_is_found_in_the_journals_of_units() {
    if !inside() {
        return;
    }
    let script = "echo needle $$((6*7)); head -c 10485760 /dev/zero | tr '\\\\0' x; echo; printf 'ne\\\\001edle\\\\n'; echo password=hunter2";
    let exec = format!("Type=oneshot\nExecStart=/bin/bash -c \"{script}\"");
    let one = Unit::write("it-talks.service", &exec);
    let _other = Unit::write(
        "it-talks-too.service",
        "Type=oneshot\nExecStart=/bin/echo needle 42",
    );
    systemctl(&["start", "it-talks.service", "it-talks-too.service"]);
    let systemd = Systemd::new(Options::default());
    let wanted = |text: &str, units: Vec<UnitName>| Wanted {
        text: text.to_owned(),
        units,
        since: Time::default(),
        most: 100,
        within: SOON,
    };
    let synced = Command::new("journalctl").arg("--sync").status();
    assert!(synced.expect("journalctl").success());
    let both = systemd.search(&wanted("NEEDLE 42", vec![])).await;
    let both = both.expect("an answer").found;
    let names: BTreeSet<&str> = both.iter().map(|f| f.unit.as_str()).collect();
    assert_eq!(
        names,
        BTreeSet::from(["it-talks.service", "it-talks-too.service"])
    );
    let own = systemd.search(&wanted("needle", vec![one.name()])).await;
    assert_eq!(own.expect("an answer").found.len(), 1);
    let late = Wanted {
        within: Duration::ZERO,
        ..wanted("needle", vec![])
    };
    let late = systemd.search(&late).await.expect("an answer");
    assert!(late.limits[0].contains("took longer than 0 s"), "{late:?}");
    let secret = systemd.search(&wanted("hunter2", vec![])).await;
    assert_eq!(secret.expect("an answer").found, []);
    let about = systemd.search(&wanted("Finished it-talks", vec![])).await;
    let about = about.expect("an answer").found;
    assert!(
        !about.is_empty()
            && about
                .iter()
                .all(|f| f.unit.as_str().starts_with("it-talks")),
        "{about:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_restart_that_fails_says_why() {
    if !inside() {
        return;
    }
    let systemd = Systemd::new(Options::default());
    let bad = Unit::write(
        "it-bad.service",
        "Type=oneshot\nExecStart=/bin/sh -c 'echo password=hunter2 is wrong; exit 3'",
    );
    let outcome = systemd.restart(&bad.name(), SOON).await;
    let Outcome::Failed { code, output, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(code, "unit-restart-failed");
    assert!(
        output.contains("password=*** is wrong") && !output.contains("hunter2"),
        "{output}"
    );
    let lines = systemd
        .logs(&bad.name(), 50, SOON)
        .await
        .expect("a journal");
    assert!(
        lines
            .iter()
            .any(|line| line.text.contains("is wrong") && line.at.0 > 0),
        "{lines:?}"
    );

    let slow = Unit::write(
        "it-slow.service",
        "ExecStartPre=/bin/sleep 30\nExecStart=/bin/sleep 1000",
    );
    let outcome = systemd.restart(&slow.name(), Duration::from_secs(1)).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");

    let nowhere = UnitName::new("it-nowhere.service").expect("a name");
    let outcome = systemd.restart(&nowhere, SOON).await;
    assert!(
        matches!(&outcome, Outcome::Refused { code, .. } if code == "unit-not-found"),
        "{outcome:?}"
    );
    systemctl(&["mask", "--runtime", "it-masked.service"]);
    let outcome = systemd
        .restart(&UnitName::new("it-masked.service").expect("a name"), SOON)
        .await;
    systemctl(&["unmask", "--runtime", "it-masked.service"]);
    assert!(
        matches!(&outcome, Outcome::Refused { code, .. } if code == "unit-masked"),
        "{outcome:?}"
    );
    let odd = UnitName::new("no-suffix").expect("a name");
    let outcome = systemd.restart(&odd, SOON).await;
    assert!(
        !matches!(outcome, Outcome::Done { .. } | Outcome::Unknown { .. }),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_lost_connection_is_made_again_and_a_hang_is_told() {
    if !inside() {
        return;
    }
    let _unit = Unit::write("it-later.service", "ExecStart=/bin/sleep 1000");
    let proxy = Proxy::to("/run/dbus/system_bus_socket");
    let systemd = Systemd::new(Options {
        bus: proxy.socket.clone(),
        ..Options::default()
    });
    let mut seen = watch(&systemd, &["it-later.service"]);
    seen.synced().await;
    let syncs = seen.synced;
    proxy.drop_all();
    systemctl(&["start", "it-later.service"]);
    is(&mut seen, "it-later.service", "active").await;
    seen.until("a full listing", SOON, |seen| {
        (seen.synced > syncs).then_some(())
    })
    .await;

    systemctl(&["daemon-reexec"]);
    systemctl(&["stop", "it-later.service"]);
    is(&mut seen, "it-later.service", "inactive").await;

    proxy.set(Mode::Hang);
    let state = |seen: &Seen| seen.source(SourceKind::Systemd).expect("told").state;
    seen.until("down", Duration::from_secs(6), |seen| {
        (state(seen) == SourceState::Down).then_some(())
    })
    .await;
    systemctl(&["start", "it-later.service"]);
    proxy.set(Mode::Pass);
    is(&mut seen, "it-later.service", "active").await;
    seen.until("up", SOON, |seen| {
        (state(seen) == SourceState::Up).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_machine_without_systemd_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        marker: folder.path().join("none"),
        ..Options::default()
    };
    let systemd = Systemd::new(options);
    let mut seen = watch(&systemd, &["nginx.service"]);
    let told = |seen: &Seen| seen.source(SourceKind::Systemd).cloned();
    let source = seen.until("the source", SOON, told).await;
    assert_eq!(source.state, SourceState::Absent);
    assert!(
        source.detail.contains("not started by systemd"),
        "{source:?}"
    );
    let outcome = systemd
        .restart(&UnitName::new("nginx.service").expect("a name"), SOON)
        .await;
    assert!(
        matches!(&outcome, Outcome::Failed { code, .. } if code == "systemd-absent"),
        "{outcome:?}"
    );
}

/// One machine of the lab, deleted at the end.
struct Machine {
    name: String,
    folder: String,
}

impl Machine {
    fn lxc(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new("lxc")
            .env("LXD_DIR", &self.folder)
            .envs(std::env::var_os("STEAD_LAB_LXC_CONF").map(|conf| ("LXD_CONF", conf)))
            .args(args)
            .output()
            .expect("the lxc client");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let both = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        if output.status.success() {
            Ok(both)
        } else {
            Err(both)
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.lxc(&["delete", "--force", &self.name]);
    }
}

#[tokio::test]
async fn a_machine_of_the_lab_passes_the_tests_inside() {
    if std::env::var_os("STEAD_LAB").is_none() {
        eprintln!("needs the lab: make test");
        return;
    }
    let must = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("STEAD_LAB is set, {name} is not"))
    };
    let machine = Machine {
        name: format!("it-{}", std::process::id()),
        folder: must("STEAD_LAB_LXD_DIR"),
    };
    machine
        .lxc(&["launch", &must("STEAD_LAB_LXC_IMAGE"), &machine.name])
        .expect("a machine");
    until("the machine's boot", Duration::from_secs(60), || {
        let said = machine.lxc(&[
            "exec",
            &machine.name,
            "--",
            "systemctl",
            "is-system-running",
        ]);
        let said = said.unwrap_or_else(|said| said);
        (said.contains("running") || said.contains("degraded")).then_some(())
    })
    .await;
    let program = std::env::current_exe().expect("this program");
    let target = format!("{}/srv/it", machine.name);
    machine
        .lxc(&[
            "file",
            "push",
            "--mode=0755",
            program.to_str().expect("a path"),
            &target,
        ])
        .expect("a copy");
    let variable = format!("{INSIDE}=1");
    let run = [
        "exec",
        &machine.name,
        "--env",
        &variable,
        "--",
        "/srv/it",
        "systemd::inside_",
        "--nocapture",
        "--test-threads=1",
    ];
    let said = machine
        .lxc(&run)
        .unwrap_or_else(|said| panic!("inside: {said}"));
    eprintln!("{said}");
    assert!(said.contains("5 passed; 0 failed"), "{said}");
}
