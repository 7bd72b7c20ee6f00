//! Turns counters of control groups into what each container used since the reading before.

use std::collections::HashMap;
use std::time::Duration;

use stead_core::container_sample::ContainerSample;

use super::cgroup::{Group, Network, Roots, Usage, network};
use super::{Docker, Running};

/// Reads all running containers of one engine. Synchronous and quick (tens of microseconds a container); holds one
/// reading per container and nothing else.
#[derive(Debug)]
pub struct Sampler {
    docker: Docker,
    roots: Roots,
    last: HashMap<String, Reading>,
    buffer: String,
}

#[derive(Debug)]
struct Reading {
    pid: u32,
    group: Group,
    usage: Usage,
    network: Option<Network>,
    round: u64,
    at: Duration,
}

impl Docker {
    /// A sampler of what the watch of this handle sees running.
    pub fn sampler(&self) -> Sampler {
        Sampler {
            docker: self.clone(),
            roots: Roots::default(),
            last: HashMap::new(),
            buffer: String::new(),
        }
    }
}

impl Sampler {
    /// Reads all; `at` is any steady clock. A container appears from its second reading on.
    pub fn sample(&mut self, at: Duration) -> Vec<ContainerSample> {
        let running = self.docker.running();
        self.sample_of(&running, at)
    }

    fn sample_of(&mut self, running: &[Running], at: Duration) -> Vec<ContainerSample> {
        let round = self
            .last
            .values()
            .map(|reading| reading.round)
            .max()
            .unwrap_or(0)
            + 1;
        let samples = running
            .iter()
            .filter_map(|container| self.one(container, round, at))
            .collect();
        self.last.retain(|_, reading| reading.round == round);
        samples
    }

    fn one(&mut self, container: &Running, round: u64, at: Duration) -> Option<ContainerSample> {
        let before = self
            .last
            .remove(&container.id)
            .filter(|reading| reading.pid == container.pid);
        let group = match &before {
            Some(reading) => reading.group.clone(),
            None => Group::of(&self.roots, container.pid, &mut self.buffer)?,
        };
        let usage = group.read(&mut self.buffer)?;
        let network = network(&self.roots, container.pid, &mut self.buffer);
        let sample = before
            .as_ref()
            .and_then(|before| rates(container, before, usage, network, at));
        self.last.insert(
            container.id.clone(),
            Reading {
                pid: container.pid,
                group,
                usage,
                network,
                round,
                at,
            },
        );
        sample
    }
}

/// Pure; `None` where no time has passed. Counters that went back (a group made anew) count as nothing.
fn rates(
    container: &Running,
    before: &Reading,
    usage: Usage,
    network: Option<Network>,
    at: Duration,
) -> Option<ContainerSample> {
    let seconds = at.checked_sub(before.at)?.as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
    let net = network.zip(before.network);
    Some(ContainerSample {
        name: container.name.clone(),
        cpu_percent: rate(usage.cpu_nanos, before.usage.cpu_nanos) / 1e7,
        memory_bytes: usage.memory,
        memory_limit: container.memory_limit,
        net_rx_per_s: net.map(|(now, then)| rate(now.rx, then.rx)),
        net_tx_per_s: net.map(|(now, then)| rate(now.tx, then.tx)),
        block_read_per_s: rate(usage.read_bytes, before.usage.read_bytes),
        block_write_per_s: rate(usage.write_bytes, before.usage.write_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    use stead_core::ids::ContainerName;

    fn write(folder: &Path, cpu: u64, wrote: u64) {
        let group = folder.join("cgroup/docker/abc");
        fs::create_dir_all(&group).expect("folder");
        fs::create_dir_all(folder.join("proc/7")).expect("folder");
        fs::write(folder.join("proc/7/cgroup"), "0::/docker/abc\n").expect("file");
        fs::write(group.join("cpu.stat"), format!("usage_usec {cpu}\n")).expect("file");
        fs::write(group.join("memory.current"), "100\n").expect("file");
        fs::write(
            group.join("io.stat"),
            format!("8:0 rbytes=0 wbytes={wrote}\n"),
        )
        .expect("file");
    }

    fn sampler(folder: &Path) -> Sampler {
        let docker = Docker::new(super::super::Options::at(super::super::Address::Tcp(
            "unused:1".into(),
        )));
        let roots = Roots {
            proc: folder.join("proc"),
            cgroup: folder.join("cgroup"),
        };
        Sampler {
            roots,
            ..docker.sampler()
        }
    }

    fn web(pid: u32) -> [Running; 1] {
        let name = ContainerName::new("web").expect("a name");
        let (compose_folder, compose_service) = (String::new(), String::new());
        [Running {
            name,
            id: "abc".into(),
            pid,
            memory_limit: 64,
            compose_folder,
            compose_service,
        }]
    }

    #[test]
    fn rates_are_the_difference_of_two_readings() {
        let folder = tempfile::tempdir().expect("folder");
        let mut sampler = sampler(folder.path());
        let web = web(7);
        write(folder.path(), 1_000_000, 1000);
        assert_eq!(sampler.sample_of(&web, Duration::from_secs(10)), vec![]);
        write(folder.path(), 2_000_000, 5000);
        let samples = sampler.sample_of(&web, Duration::from_secs(12));
        assert_eq!(samples.len(), 1);
        assert_eq!(samples[0].cpu_percent, 50.0);
        assert_eq!(samples[0].block_write_per_s, 2000.0);
        assert_eq!(
            (samples[0].memory_bytes, samples[0].memory_limit),
            (100, 64)
        );
        assert_eq!(samples[0].net_rx_per_s, None, "no namespace to be seen");
        write(folder.path(), 5, 5);
        assert_eq!(
            sampler.sample_of(&web, Duration::from_secs(13))[0].cpu_percent,
            0.0,
            "the counters began anew"
        );
        assert_eq!(sampler.sample_of(&[], Duration::from_secs(14)), vec![]);
        assert!(sampler.last.is_empty(), "nothing is kept of what is gone");
    }

    #[test]
    fn a_network_of_its_own_is_read_and_one_that_is_the_machines_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        let proc = folder.path().join("proc");
        let namespace = |who: &str, number: &str| {
            let ns = proc.join(who).join("ns");
            fs::create_dir_all(&ns).expect("folder");
            std::os::unix::fs::symlink(number, ns.join("net")).expect("a link");
        };
        let moved = |rx: u64, tx: u64| {
            fs::create_dir_all(proc.join("7/net")).expect("folder");
            let lines = format!(
                "Inter-|\n face |\n lo: 9 0 0 0 0 0 0 0 9\neth0: {rx} 0 0 0 0 0 0 0 {tx}\n"
            );
            fs::write(proc.join("7/net/dev"), lines).expect("file");
        };
        write(folder.path(), 0, 0);
        namespace("self", "net:[1]");
        namespace("7", "net:[2]");
        let mut sampler = sampler(folder.path());
        moved(1_000, 10);
        sampler.sample_of(&web(7), Duration::from_secs(10));
        moved(5_000, 30);
        let samples = sampler.sample_of(&web(7), Duration::from_secs(12));
        assert_eq!(
            (samples[0].net_rx_per_s, samples[0].net_tx_per_s),
            (Some(2000.0), Some(10.0))
        );
    }

    #[test]
    fn one_that_was_started_anew_is_read_from_the_beginning() {
        let folder = tempfile::tempdir().expect("folder");
        let mut sampler = sampler(folder.path());
        write(folder.path(), 0, 0);
        sampler.sample_of(&web(7), Duration::from_secs(10));
        fs::rename(folder.path().join("proc/7"), folder.path().join("proc/8")).expect("moved");
        assert_eq!(sampler.sample_of(&web(8), Duration::from_secs(11)), vec![]);
        assert_eq!(sampler.sample_of(&web(8), Duration::from_secs(12)).len(), 1);
    }
}
