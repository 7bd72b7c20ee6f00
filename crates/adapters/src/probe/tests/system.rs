//! Echo requests, files, programs, processes and logs of this machine.

use std::os::unix::fs::PermissionsExt;

use rustix::thread::{CapabilitySet, CapabilitySets};
use stead_core::desired::LogSource;

use super::*;

fn icmp(host: &str) -> Probe {
    Probe::Icmp { host: host.into() }
}

#[tokio::test]
async fn this_machine_answers_an_echo_request() {
    assert!(ok(ask(icmp("127.0.0.1")).await).starts_with("127.0.0.1 answered in "));
    ok(ask(icmp("localhost")).await);
    if std::path::Path::new("/proc/net/if_inet6")
        .metadata()
        .is_ok_and(|_| {
            std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|text| text.contains(" lo"))
        })
    {
        ok(ask(icmp("::1")).await);
    }
}

/// A cable with nobody at its other end: what is sent to 198.51.100.2 is lost without a word.
struct Cable(String);

impl Cable {
    fn lay() -> Option<Cable> {
        let name = format!("steadt{}", std::process::id() % 100_000);
        let cable = Cable(name.clone());
        let done = [
            format!("link add {name} type veth peer name {name}p"),
            format!("addr add 198.51.100.1/30 dev {name}"),
            format!("link set {name} up"),
            format!("link set {name}p up"),
            format!("neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev {name} nud permanent"),
        ]
        .iter()
        .all(|line| ip(line));
        if !done {
            assert!(
                std::env::var_os("STEAD_LAB").is_none(),
                "the lab must run as root with iproute2"
            );
            println!("needs the lab: make test");
        }
        done.then_some(cable)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.0));
    }
}

fn ip(line: &str) -> bool {
    let Some(program) = crate::program::find(&["ip"]) else {
        return false;
    };
    Command::new(program)
        .args(line.split(' '))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[tokio::test]
async fn who_does_not_answer_an_echo_request_fails_in_time() {
    unknown(ask(icmp("-f")).await);
    assert!(failed(ask(icmp("no-such-host.invalid")).await).contains("no-such-host"));
    let Some(_cable) = Cable::lay() else { return };
    let text = failed(prober().ask(&icmp("198.51.100.2"), Span::millis(900)).await);
    assert!(text.contains("198.51.100.2"), "{text}");
    let tcp = Probe::Tcp {
        host: "198.51.100.2".into(),
        port: 9,
    };
    assert!(failed(prober().ask(&tcp, SHORT).await).contains("no answer within"));
}

#[test]
fn who_may_not_ping_is_told_what_to_do() {
    // Capabilities belong to a thread, and this one ends with the test.
    let sets = rustix::thread::capabilities(None).unwrap();
    let without = CapabilitySets {
        effective: sets.effective.difference(CapabilitySet::NET_RAW),
        ..sets
    };
    rustix::thread::set_capabilities(None, without).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result = runtime.block_on(ask(icmp("127.0.0.1")));
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap();
    let mut range = range.split_whitespace().map(|n| n.parse::<u32>().unwrap());
    let (first, last) = (range.next().unwrap(), range.next().unwrap());
    if (first..=last).contains(&rustix::process::getegid().as_raw()) {
        ok(result);
    } else {
        assert!(unknown(result).contains("CAP_NET_RAW"));
    }
}

#[tokio::test]
async fn the_newest_file_must_be_young_and_large_enough() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let day = Duration::from_secs(86_400);
    for (name, size, age) in [
        ("a.tar.gz", 2000, day * 3),
        ("b.tar.gz", 1000, day),
        (".hidden.tar.gz", 1, day / 2),
    ] {
        std::fs::write(at(name), vec![0; size]).unwrap();
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(at(name))
            .unwrap();
        file.set_modified(std::time::SystemTime::now() - age)
            .unwrap();
    }
    std::fs::create_dir(at("c.tar.gz")).unwrap();
    let file = |path: String, max_age, min_size| Probe::File {
        path,
        max_age,
        min_size,
    };
    let text = ok(ask(file(at("*.tar.gz"), Some(Span::hours(25)), Some(1000))).await);
    assert!(text.contains("b.tar.gz: 1000 bytes, 1d 0h old"), "{text}");
    assert!(
        failed(ask(file(at("*.tar.gz"), Some(Span::hours(23)), None)).await)
            .contains("older than 23h")
    );
    assert!(
        failed(ask(file(at("*.tar.gz"), None, Some(1001))).await).contains("smaller than 1001")
    );
    ok(ask(file(at("a.tar.gz"), None, Some(2000))).await);
    failed(ask(file(at("none"), None, None)).await);
    assert_eq!(
        failed(ask(file(at("*.zip"), None, None)).await),
        "no file matches"
    );
    failed(ask(file(at("c.tar.gz"), None, None)).await);
    for bad in ["relative", "/x/[", "/a\0b"] {
        unknown(ask(file(bad.into(), None, None)).await);
    }
}

fn command(run: &[&str], exit: i32) -> Probe {
    Probe::Command {
        run: run.iter().map(|word| (*word).to_owned()).collect(),
        exit,
    }
}

#[tokio::test]
async fn a_program_ends_as_it_should_without_a_shell_or_the_callers_environment() {
    assert_eq!(ok(ask(command(&["true"], 0)).await), "exit 0");
    assert_eq!(failed(ask(command(&["false"], 0)).await), "exit 1");
    ok(ask(command(&["false"], 1)).await);
    assert_eq!(
        ok(ask(command(&["echo", "$HOME; id `x` > /tmp/y"], 0)).await),
        "exit 0: $HOME; id `x` > /tmp/y"
    );
    let text = ok(ask(command(
        &[
            "sh",
            "-c",
            "pwd; echo $PATH; echo [$CARGO_MANIFEST_DIR]; echo oops >&2",
        ],
        0,
    ))
    .await);
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(text, format!("exit 0: /\n{path}\n[]\noops"));
    assert_eq!(
        failed(ask(command(&["sh", "-c", "kill -9 $$"], 0)).await),
        "ended by a signal"
    );
    let text = failed(
        ask(command(
            &["sh", "-c", "echo DB_PASSWORD=hunter2; exit 3"],
            0,
        ))
        .await,
    );
    assert_eq!(text, "exit 3: DB_PASSWORD=***");
    let long = ok(ask(command(&["seq", "1", "100000"], 0)).await);
    assert!(
        long.ends_with("99999\n100000") && long.len() <= redact::ANSWER,
        "{long}"
    );
    for bad in [&[][..], &["no-such-program-here"], &["./x"], &["-x"]] {
        unknown(ask(command(bad, 0)).await);
    }
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
    let result = prober()
        .ask(&command(&["sh", "-c", &script], 0), SHORT)
        .await;
    assert!(result.took < Span::secs(10));
    failed(result);
    let pid = std::fs::read_to_string(file).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z")) {
        assert!(Instant::now() < deadline, "{pid} still runs");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn processes_are_counted_by_their_whole_name() {
    let folder = tempfile::tempdir().unwrap();
    // Longer than the kernel keeps.
    let name = format!("stead-sleeper-{}", std::process::id());
    let program = folder.path().join(&name);
    std::fs::copy("/bin/sleep", &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let process = |process: &str, text: Option<&str>, min| Probe::Process {
        process: process.into(),
        command_line: text.map(str::to_owned),
        min,
    };
    assert_eq!(
        failed(ask(process(&name, None, 1)).await),
        format!("0 named {name}, expected at least 1")
    );
    let _one = Server::start(Command::new(&program).arg("1001"), || true);
    let _two = Server::start(Command::new(&program).arg("1002"), || true);
    let deadline = Instant::now() + Duration::from_secs(10);
    // A child is called after its parent until it becomes its program.
    while ask(process(&name, None, 2)).await.outcome != Answer::Ok {
        assert!(Instant::now() < deadline, "they are not found");
    }
    ok(ask(process(&name, Some("sleeper"), 2)).await);
    ok(ask(process(&name, Some(" 1002"), 1)).await);
    failed(ask(process(&name, Some(" 1002"), 2)).await);
    failed(ask(process(&name[..14], None, 1)).await);
    unknown(ask(process("/bin/x", None, 1)).await);
}

#[tokio::test]
async fn logs_are_read_from_files_containers_and_units() {
    let log = |source, pattern: &str, absent| Probe::Log {
        source,
        pattern: pattern.into(),
        within: Span::mins(5),
        absent,
    };
    let container = |name: &str| LogSource::Container(name.parse().unwrap());
    assert_eq!(
        failed(ask(log(container("web"), "ERROR", true)).await),
        "ERROR password=*** refused"
    );
    ok(ask(log(container("web"), "^started$", false)).await);
    failed(ask(log(container("web"), "^ready$", false)).await);
    assert_eq!(
        unknown(ask(log(container("none"), "x", true)).await),
        "no container none"
    );
    assert!(unknown(ask(log(container("web"), "(", true)).await).contains("pattern"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    std::fs::write(&path, "ERROR old\n").unwrap();
    let file = log(
        LogSource::File(path.to_str().unwrap().into()),
        "ERROR",
        true,
    );
    let prober = prober();
    ok(prober.ask(&file, PATIENT).await);
    std::fs::write(&path, "ERROR old\nERROR new\n").unwrap();
    assert_eq!(
        failed(prober.ask(&file, PATIENT).await),
        "ERROR new",
        "the watch lasts from question to question"
    );
    unknown(ask(log(LogSource::File("app.log".into()), "x", true)).await);
}

#[tokio::test]
async fn what_the_agent_saw_answers_for_containers_and_units() {
    failed(
        ask(Probe::Container {
            container: "web".parse().unwrap(),
        })
        .await,
    );
    assert_eq!(
        unknown(
            ask(Probe::Unit {
                unit: "x.service".parse().unwrap()
            })
            .await
        ),
        "systemd is away"
    );
}

#[tokio::test]
async fn file_systems_that_hang_do_not_hold_up_the_rest() {
    let prober = prober();
    let (free, hang) = std::sync::mpsc::channel::<()>();
    let hang = Arc::new(Mutex::new(hang));
    let mut hanging = Vec::new();
    for _ in 0..BLOCKING {
        let hang = Arc::clone(&hang);
        let permit = Arc::clone(&prober.blocking).try_acquire_owned().unwrap();
        hanging.push(tokio::task::spawn_blocking(move || {
            let _ = hang.lock().unwrap().recv();
            drop(permit);
        }));
    }
    let file = Probe::File {
        path: "/etc/passwd".into(),
        max_age: None,
        min_size: None,
    };
    assert!(unknown(prober.ask(&file, PATIENT).await).contains("hang"));
    drop(free);
    for task in hanging {
        task.await.unwrap();
    }
    ok(prober.ask(&file, PATIENT).await);
}
