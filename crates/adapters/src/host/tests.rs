//! The whole reading, on machines kept as fixtures and on the one the tests run on.

use super::*;
use std::io::Write;
use std::process::Command;
use stead_core::sample::OomKill;

/// A machine of `fixtures/`, in a folder of its own so that its counters can move on.
fn machine(name: &str) -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/host/fixtures")
        .join(name);
    copy(&from, folder.path());
    let host = Host::at(folder.path());
    (folder, host)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Two readings `millis` apart, with the counters of the `.later` files at the second.
fn measured(name: &str, millis: u64) -> HostSample {
    let (folder, mut host) = machine(name);
    let start = Instant::now();
    let first = host.sample_at(Time(0), start).clone();
    assert_eq!(
        (first.cpu, first.disks.len(), first.networks.len()),
        (None, 0, 0),
        "one reading has no rates"
    );
    for file in ["stat", "diskstats", "net/dev"] {
        let path = folder.path().join("proc").join(file);
        std::fs::write(
            &path,
            std::fs::read(path.with_file_name(format!("{}.later", name_of(&path)))).unwrap(),
        )
        .unwrap();
    }
    host.sample_at(Time(1), start + Duration::from_millis(millis))
        .clone()
}

fn name_of(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn steal_swap_pressure_and_rates_of_a_rented_machine() {
    let s = measured("vps", 1000);
    let cpu = s.cpu.unwrap();
    assert_eq!(
        (cpu.user, cpu.system, cpu.idle, cpu.iowait, cpu.steal),
        (30.0, 10.0, 30.0, 5.0, 25.0)
    );
    assert_eq!(s.cores, [70.0, 10.0]);
    assert_eq!(
        (s.load1, s.load15, s.running, s.blocked, s.uptime),
        (1.52, 0.4, 1, 0, 864_000)
    );
    let psi = s.psi_memory.unwrap();
    assert_eq!(
        (s.psi_cpu.unwrap().some, psi.some, psi.full),
        (12.5, 4.2, 3.1)
    );
    assert_eq!(s.memory.available, 612_344 * 1024);
    assert_eq!(
        (s.memory.swap_used, s.memory.swap_cached),
        (1_600_000 * 1024, 210_944 * 1024)
    );
    assert_eq!(s.oom_kills, Some(4));
    let [disk] = &s.disks[..] else {
        panic!("{:?}", s.disks)
    };
    assert_eq!(
        (&*disk.device, disk.read_bytes_s, disk.write_bytes_s),
        ("vda", 4000 * 512, 8192 * 512)
    );
    assert_eq!(
        (
            disk.read_ops_s,
            disk.write_ops_s,
            disk.latency_ms,
            disk.busy
        ),
        (50.0, 50.0, 4.0, 40.0)
    );
    let [network] = &s.networks[..] else {
        panic!("{:?}", s.networks)
    };
    assert_eq!(
        (network.rx_bytes_s, network.tx_bytes_s, network.errors),
        (500_000, 250_000, 1)
    );
}

#[test]
fn an_old_kernel_lacks_much_and_its_counters_wrap() {
    let s = measured("board", 2000);
    let cpu = s.cpu.unwrap();
    assert_eq!((cpu.steal, cpu.iowait, cpu.user), (0.0, 0.0, 24.8));
    assert_eq!(
        (s.psi_cpu, s.psi_memory, s.psi_io, s.oom_kills),
        (None, None, None, None)
    );
    assert_eq!(s.memory.available, 256_000 * 1024);
    let disk = s.disks.iter().find(|d| &*d.device == "mmcblk0").unwrap();
    assert_eq!(
        (disk.read_ops_s, disk.busy),
        (5.0, 5.0),
        "a counter of 32 bits went on after its wrap"
    );
    assert_eq!(disk.latency_ms, 30.0);
    let eth0 = &s.networks[0];
    assert_eq!(
        (eth0.rx_bytes_s, eth0.tx_bytes_s),
        (500, 0),
        "one counter wrapped, the other began anew"
    );
}

#[test]
fn facts_of_a_machine() {
    let (folder, mut host) = machine("vps");
    let facts = host.facts();
    assert_eq!(facts.hostname, "vps1");
    assert_eq!(facts.os, "Debian GNU/Linux 12 (bookworm)");
    assert_eq!(
        (
            facts.kernel.as_str(),
            facts.virtualization.as_str(),
            facts.cpus
        ),
        ("6.1.0-28-amd64", "kvm", 2)
    );
    assert_eq!(facts.booted_at, Time(1_795_000_000_000));
    assert_eq!(
        (facts.memory_bytes, facts.swap_bytes),
        (2_014_584 * 1024, 2_097_148 * 1024)
    );
    let packages = vec!["libc6".to_owned(), "linux-image-6.1.0-29-amd64".to_owned()];
    assert_eq!(facts.reboot_required, Some(packages));
    assert!(facts.reboot_required_since.is_some(), "the file has a time");
    assert!(facts.gpus.is_empty() && facts.last_cleanup.is_none());
    let stat = folder.path().join("proc/stat");
    let moved = std::fs::read_to_string(&stat)
        .unwrap()
        .replace("1795000000", "1795003600");
    std::fs::write(&stat, moved).unwrap();
    assert_eq!(host.facts(), facts, "a clock that was set is no other boot");
    std::fs::write(
        folder.path().join("proc/sys/kernel/random/boot_id"),
        "another\n",
    )
    .unwrap();
    assert_eq!(host.facts().booted_at, Time(1_795_003_600_000));
}

#[test]
fn a_container_has_its_own_start_and_its_own_count_of_kills() {
    for (name, kills) in [("lxc-v2", 2), ("lxc-v1", 3)] {
        let (_folder, mut host) = machine(name);
        assert_eq!(host.sample(Time(0)).oom_kills, Some(kills), "{name}");
        assert_eq!(host.facts().booted_at, Time(1_795_003_600_000), "{name}");
        assert!(
            !host.oom_watch().names_them(),
            "{name}: the kernel's log is another machine's"
        );
    }
}

#[test]
fn a_machine_without_any_file_measures_nothing_and_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::at(folder.path());
    host.sample(Time(0));
    let sample = host.sample(Time(1)).clone();
    assert_eq!(
        sample,
        HostSample {
            at: Time(1),
            ..HostSample::default()
        }
    );
    assert_eq!(host.facts().boot_id, "");
    assert_eq!(reboot_required(folder.path()), None);
}

#[test]
fn slow_things_are_read_every_ten_seconds_and_their_levels_follow() {
    let (_folder, mut host) = machine("vps");
    let start = Instant::now();
    let mut levels = Levels::new();
    let mut keys = Vec::new();
    let mut read = Vec::new();
    for second in 0..25 {
        let sample = host.sample_at(
            Time(second * 1000),
            start + Duration::from_secs(second as u64),
        );
        if !sample.filesystems.is_empty() {
            read.push(second);
        }
        keys.extend(
            levels
                .observe(sample, &Default::default())
                .into_iter()
                .map(|(key, _)| key),
        );
    }
    assert_eq!(read, [0, 10, 20]);
    let level = |name: &str| stead_core::facts::FactKey::Level(name.into());
    assert_eq!(
        keys,
        [level("disk:/"), level("swap_used"), level("swap_cached")],
        "each once"
    );
}

#[test]
fn this_machine_is_measured() {
    let mut host = Host::at("/");
    host.sample(Time(0));
    let deadline = Instant::now() + Duration::from_secs(20);
    let sample = loop {
        // Ticks are 10 ms long; two readings within one have no share.
        let sample = host.sample(Time(1)).clone();
        if sample.cpu.is_some() {
            break sample;
        }
        assert!(Instant::now() < deadline, "no tick passed");
    };
    let cpu = sample.cpu.unwrap();
    let sum = cpu.user
        + cpu.nice
        + cpu.system
        + cpu.idle
        + cpu.iowait
        + cpu.irq
        + cpu.softirq
        + cpu.steal;
    assert!((99.0..=101.0).contains(&sum), "{cpu:?}");
    assert!(sample.memory.total > sample.memory.used && sample.memory.used > 0);
    assert!(sample.processes > 0 && sample.uptime > 0);
    let facts = host.facts();
    assert_eq!(facts.boot_id.len(), 36);
    assert!(
        facts.cpus > 0
            && !facts.kernel.is_empty()
            && !facts.hostname.is_empty()
            && !facts.os.is_empty()
    );
    let json = serde_json::to_string(&sample).unwrap();
    let again: HostSample = serde_json::from_str(&json).unwrap();
    assert_eq!(again, sample);
}

/// A process that takes more memory than its own cgroup has, on whichever version of cgroups this machine runs.
#[test]
fn a_real_kill_is_seen_and_named() {
    let mut watch = Host::at("/").oom_watch();
    let Some(group) = Group::new() else {
        let lab = std::env::var_os("STEAD_LAB").is_some();
        assert!(!lab, "the lab must run as root with a memory controller");
        println!("needs the lab: make test");
        return;
    };
    assert!(watch.names_them(), "root may read the kernel's log");
    let procs = group.0.join("cgroup.procs");
    let script = format!("echo $$ > {} && exec tail /dev/zero", procs.display());
    let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let pid = child.id();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut mine: Vec<OomKill> = Vec::new();
    while mine.is_empty() {
        assert!(Instant::now() < deadline, "the kill was not seen");
        mine = watch
            .poll(Time(5), None)
            .into_iter()
            .filter(|kill| kill.pid == Some(pid))
            .collect();
        std::thread::yield_now();
    }
    child.wait().unwrap();
    assert_eq!(
        (mine[0].comm.as_deref(), mine[0].limit, mine[0].at),
        (Some("tail"), true, Time(5))
    );
}

struct Group(PathBuf);

impl Group {
    fn new() -> Option<Group> {
        let name = format!("stead-test-{}", std::process::id());
        for (base, limit) in [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ] {
            let folder = Path::new(base).join(&name);
            if std::fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Group(folder);
            let file = std::fs::OpenOptions::new()
                .write(true)
                .open(group.0.join(limit));
            if file
                .and_then(|mut file| file.write_all(b"16777216"))
                .is_ok()
            {
                return Some(group);
            }
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn put(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_graphics_processor_and_the_last_cleanup_are_facts_of_the_machine() {
    let (folder, mut host) = machine("vps");
    let write = |file: &str, text: &str| put(folder.path(), file, text);
    write(
        "proc/driver/nvidia/gpus/0000:01:00.0/information",
        "Model: RTX 3060\n",
    );
    write(
        "var/log/vm-cleanup.log",
        "{\"timestamp\":\"2026-11-20T04:00:00Z\",\"freedMB\":1,\"success\":true}\n",
    );
    let facts = host.facts();
    assert_eq!(facts.gpus[0].name, "RTX 3060");
    assert_eq!(facts.last_cleanup.map(|c| c.freed), Some(1 << 20));
}

#[test]
fn stalls_of_disks_and_temperatures_are_in_the_sample() {
    let (folder, mut host) = machine("vps");
    let write = |file: &str, text: &str| put(folder.path(), file, text);
    write(
        "proc/pressure/io",
        "some avg10=7.25 avg60=0.00 avg300=0.00 total=0\nfull avg10=5.50 avg60=0.00 avg300=0.00 total=0\n",
    );
    write("sys/class/hwmon/hwmon0/name", "coretemp\n");
    write("sys/class/hwmon/hwmon0/temp1_label", "Package\n");
    write("sys/class/hwmon/hwmon0/temp1_input", "41500\n");
    let sample = host.sample(Time(0));
    let io = sample.psi_io.unwrap();
    assert_eq!((io.some, io.full), (7.25, 5.5));
    let [sensor] = &sample.temperatures[..] else {
        panic!("{:?}", sample.temperatures)
    };
    assert_eq!((&*sensor.name, sensor.celsius), ("coretemp Package", 41.5));
}

#[test]
fn a_device_is_compared_with_itself_wherever_it_stands_now() {
    let (folder, mut host) = machine("vps");
    let head = "Inter-|   Receive |  Transmit\n face |bytes |bytes\n";
    let line = |name: &str, rx: u64| format!("{name}: {rx} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    let file = folder.path().join("proc/net/dev");
    let start = Instant::now();
    std::fs::write(&file, format!("{head}{}", line("eth0", 1_000))).unwrap();
    host.sample_at(Time(0), start);
    let more = format!("{head}{}{}", line("eth1", 9_000), line("eth0", 3_000));
    std::fs::write(&file, more).unwrap();
    let sample = host.sample_at(Time(1), start + Duration::from_secs(1));
    let told: Vec<(&str, u64)> = sample
        .networks
        .iter()
        .map(|n| (&*n.name, n.rx_bytes_s))
        .collect();
    assert_eq!(told, [("eth0", 2_000)], "eth1 has nothing to compare with");
}
