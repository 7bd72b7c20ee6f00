//! A simulated machine: containers and units that fall ill, a disk, an engine that can be away, boots. The truth of the
//! simulation: what is here is so, whoever believes what.
//!
//! It decides nothing and knows no clock: whoever changes it says when. Time is in milliseconds after the beginning.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stead_core::command::Command;
use stead_core::desired::{ContainerDef, DEFINITION_LABEL, Fleet, Node, Patience, ServiceKind};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts, Level, LevelFacts,
    SourceFacts, SourceKind, SourceState, UnitFacts,
};
use stead_core::ids::{ContainerName, NodeName, ServiceName, UnitName};
use stead_core::time::Time;
use stead_ports::watch;

/// A started container says nothing of its health for so long.
const STARTING: u64 = 3_000;
/// What gets well by itself takes so long.
const BY_ITSELF: u64 = 45_000;

/// Cheap to clone: clones are the same machine.
#[derive(Debug, Clone)]
pub struct Machine {
    state: Arc<Mutex<State>>,
    news: watch::Sender<()>,
}

/// Everything that is so on a machine.
#[derive(Debug)]
pub struct State {
    pub node: NodeName,
    pub boot: u32,
    pub booted_at: Time,
    pub clean: Option<bool>,
    pub containers: BTreeMap<ContainerName, Container>,
    pub units: BTreeMap<UnitName, Unit>,
    /// Services whose checks are not answered, and until when.
    pub deaf: BTreeMap<ServiceName, u64>,
    pub disk: u8,
    pub disk_level: Level,
    /// The engine is away, or hangs, until then.
    pub down_until: u64,
    pub hung_until: u64,
    /// The agent sees an empty machine until then.
    pub blind_until: u64,
    made: u32,
}

#[derive(Debug, Clone)]
pub struct Container {
    pub id: String,
    pub image: String,
    /// Digest of the definition it was created from, where Stead created it.
    pub definition: Option<String>,
    pub running: bool,
    pub exit_code: i64,
    pub started_at: Time,
    pub starting_until: u64,
    pub stopped_by_person: bool,
    pub ill: Option<Illness>,
    /// Ill and well in turn, each second, until then.
    pub flaps_until: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Illness {
    pub since: u64,
    /// Restarts until it is well; 0: it gets well by itself.
    pub restarts: u32,
}

#[derive(Debug, Clone)]
pub struct Unit {
    pub active: &'static str,
    pub since: Time,
    pub pid: u32,
    pub ill: Option<Illness>,
}

impl Machine {
    /// A machine on which everything `desired` names runs well.
    pub fn new(node: &NodeName, desired: &Node, at: Time) -> Machine {
        let mut state = State {
            node: node.clone(),
            boot: 1,
            booted_at: at,
            clean: None,
            containers: BTreeMap::new(),
            units: BTreeMap::new(),
            deaf: BTreeMap::new(),
            disk: 40,
            disk_level: Level::Ok,
            down_until: 0,
            hung_until: 0,
            blind_until: 0,
            made: 0,
        };
        for service in desired.services.values() {
            match &service.kind {
                ServiceKind::Container {
                    container,
                    definition,
                } => state.create(container, definition.as_ref(), 0, at),
                ServiceKind::Systemd { unit } => {
                    let unit_state = Unit {
                        active: "active",
                        since: at,
                        pid: 100,
                        ill: None,
                    };
                    state.units.insert(unit.clone(), unit_state);
                }
                _ => {}
            }
        }
        Machine {
            state: Arc::new(Mutex::new(state)),
            news: watch::Sender::new(()),
        }
    }

    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes something, and tells whoever watches.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.news.send_replace(());
        result
    }

    /// Lets time have its effect, without that being news.
    pub fn peek<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.lock())
    }

    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A container made anew: another immutable ID.
    pub fn create(
        &mut self,
        name: &ContainerName,
        definition: Option<&ContainerDef>,
        now: u64,
        wall: Time,
    ) {
        self.made += 1;
        let (node, made) = (&self.node, self.made);
        let container = Container {
            id: format!("{node}-{name}-{made}"),
            image: definition.map_or_else(|| "app:1".to_string(), |d| d.image.clone()),
            definition: definition.map(ContainerDef::digest),
            running: true,
            exit_code: 0,
            started_at: wall,
            starting_until: now + STARTING,
            stopped_by_person: false,
            ill: None,
            flaps_until: 0,
        };
        self.containers.insert(name.clone(), container);
    }

    /// What `command` does once it is carried out; `false` where its target is not there any more.
    pub fn carry_out(&mut self, command: &Command, now: u64, wall: Time) -> bool {
        match command {
            Command::ContainerRestart { container, id } => {
                match self.containers.get_mut(container) {
                    Some(c) if c.id == *id => {
                        c.restart(now, wall);
                        true
                    }
                    _ => false,
                }
            }
            Command::ContainerRecreate {
                container,
                definition,
                replaces,
                ..
            } => {
                let there = self.containers.get(container).map(|c| c.id.clone());
                if there != *replaces {
                    return false;
                }
                self.create(container, Some(definition), now, wall);
                true
            }
            Command::UnitRestart { unit } => match self.units.get_mut(unit) {
                Some(u) => {
                    u.restart(now, wall);
                    true
                }
                None => false,
            },
            Command::DiskCleanup { .. } => {
                self.disk = self.disk.saturating_sub(25);
                true
            }
            _ => false,
        }
    }

    /// The machine starts anew: everything that ran runs again, but for what a person had stopped.
    pub fn reboot(&mut self, clean: bool, now: u64, wall: Time) {
        self.boot += 1;
        self.booted_at = wall;
        self.clean = Some(clean);
        self.down_until = 0;
        self.hung_until = 0;
        for container in self.containers.values_mut() {
            if !container.stopped_by_person {
                container.restart(now, wall);
            }
        }
        for unit in self.units.values_mut() {
            unit.restart(now, wall);
        }
    }

    pub fn engine_is_up(&self, now: u64) -> bool {
        now >= self.down_until && now >= self.hung_until
    }

    /// What heals by itself does so when its time has come.
    fn heal(&mut self, now: u64, wall: Time) {
        for container in self.containers.values_mut() {
            if let Some(ill) = container.ill
                && ill.restarts == 0
                && now >= ill.since + BY_ITSELF
            {
                container.ill = None;
            }
        }
        for unit in self.units.values_mut() {
            if let Some(ill) = unit.ill
                && ill.restarts == 0
                && now >= ill.since + BY_ITSELF
            {
                unit.ill = None;
                unit.active = "active";
                unit.since = wall;
                unit.pid += 1;
            }
        }
    }

    /// Everything that can be seen now, judged by the patience of `desired`.
    pub fn facts(&mut self, desired: &Node, read_only: bool, now: u64, wall: Time) -> Facts {
        self.heal(now, wall);
        let mut facts = Facts::new();
        if now < self.blind_until {
            return facts;
        }
        facts.insert(FactKey::Host, Fact::Host(self.host(read_only)));
        let up = self.engine_is_up(now);
        facts.insert(FactKey::Source(SourceKind::Docker), source(up));
        facts.insert(FactKey::Source(SourceKind::Systemd), source(true));
        for (name, container) in &self.containers {
            let patience = patience(desired, name);
            let fact = Fact::Container(container.facts(patience, now));
            facts.insert(FactKey::Container(name.clone()), fact);
        }
        for (name, unit) in &self.units {
            facts.insert(FactKey::Unit(name.clone()), Fact::Unit(unit.facts()));
        }
        let thresholds = &desired.thresholds;
        self.disk_level = Level::judge(
            self.disk_level,
            f64::from(self.disk),
            thresholds.disk_note,
            thresholds.disk_warn,
            thresholds.disk_critical,
            thresholds.hysteresis,
        );
        let level = LevelFacts {
            level: self.disk_level,
            value: f64::from(self.disk),
            what: "/ (ext4)".to_string(),
        };
        facts.insert(FactKey::Level("disk:/".to_string()), Fact::Level(level));
        facts
    }

    fn host(&self, read_only: bool) -> HostFacts {
        HostFacts {
            hostname: self.node.to_string(),
            boot_id: format!("{}-{}", self.node, self.boot),
            booted_at: self.booted_at,
            clean_shutdown: self.clean,
            cpus: 2,
            read_only,
            ..HostFacts::default()
        }
    }

    /// When something will look different without anybody doing anything, at the earliest.
    pub fn next_change(&self, desired: &Node, now: u64) -> Option<u64> {
        let engine = [self.down_until, self.hung_until, self.blind_until].into_iter();
        let deaf = self.deaf.values().copied();
        let containers = self
            .containers
            .iter()
            .flat_map(|(name, c)| c.turns(patience(desired, name), now));
        let units = self
            .units
            .values()
            .filter_map(|u| u.ill)
            .map(|ill| ill.since + BY_ITSELF);
        engine
            .chain(deaf)
            .chain(containers)
            .chain(units)
            .filter(|at| *at > now)
            .min()
    }
}

impl Container {
    /// Stopped and started; what heals by restarts is one nearer to it.
    pub fn restart(&mut self, now: u64, wall: Time) {
        self.running = true;
        self.exit_code = 0;
        self.started_at = wall;
        self.starting_until = now + STARTING;
        self.stopped_by_person = false;
        self.ill = heard(self.ill, now + STARTING);
    }

    /// Whether its health check would fail now.
    pub fn is_ill(&self, now: u64) -> bool {
        self.ill.is_some() || self.failing_since(now).is_some()
    }

    fn failing_since(&self, now: u64) -> Option<u64> {
        let flap =
            (now < self.flaps_until && (now / 500).is_multiple_of(2)).then(|| now / 500 * 500);
        self.ill.map(|ill| ill.since).or(flap)
    }

    fn health(&self, patience: u64, now: u64) -> Health {
        if !self.running {
            return Health::None;
        }
        if now < self.starting_until {
            return Health::Starting;
        }
        match self.failing_since(now) {
            Some(since) if now >= since + patience => Health::Unhealthy,
            Some(_) => Health::Failing,
            None => Health::Healthy,
        }
    }

    fn turns(&self, patience: u64, now: u64) -> Vec<u64> {
        let mut turns = vec![self.starting_until];
        if let Some(ill) = self.ill {
            turns.extend([ill.since + patience, ill.since + BY_ITSELF]);
        }
        if now < self.flaps_until {
            let half = now / 500 * 500;
            turns.extend([half + 500, half + patience]);
        }
        turns
    }

    fn facts(&self, patience: u64, now: u64) -> ContainerFacts {
        let label = |digest: &String| (DEFINITION_LABEL.to_string(), digest.clone());
        ContainerFacts {
            id: self.id.clone(),
            image: self.image.clone(),
            state: if self.running {
                ContainerState::Running
            } else {
                ContainerState::Exited
            },
            health: self.health(patience, now),
            started_at: Some(self.started_at),
            exit_code: (!self.running).then_some(self.exit_code),
            stopped_by_person: self.stopped_by_person,
            labels: self.definition.iter().map(label).collect(),
            restart_policy: "no".to_string(),
            ..ContainerFacts::default()
        }
    }
}

impl Unit {
    fn restart(&mut self, now: u64, wall: Time) {
        self.ill = heard(self.ill, now);
        self.active = if self.ill.is_some() {
            "failed"
        } else {
            "active"
        };
        self.since = wall;
        self.pid += 1;
    }

    fn facts(&self) -> UnitFacts {
        UnitFacts {
            load: "loaded".to_string(),
            active: self.active.to_string(),
            main_pid: if self.active == "active" { self.pid } else { 0 },
            active_since: Some(self.since),
            enabled: "enabled".to_string(),
            ..UnitFacts::default()
        }
    }
}

/// An illness after one more restart.
fn heard(ill: Option<Illness>, since: u64) -> Option<Illness> {
    let restarts = ill?.restarts.checked_sub(1)?;
    (restarts > 0).then_some(Illness { since, restarts })
}

/// How long trouble of a container must last, in milliseconds: a health check each second.
fn patience(desired: &Node, name: &ContainerName) -> u64 {
    let is = |kind: &ServiceKind| matches!(kind, ServiceKind::Container { container, .. } if container == name);
    let service = desired.services.values().find(|s| is(&s.kind));
    let patience = service.map_or_else(Patience::default, |s| s.patience);
    patience
        .time
        .0
        .max(u64::from(patience.failures.saturating_sub(1)) * 1_000)
}

fn source(up: bool) -> Fact {
    Fact::Source(SourceFacts {
        state: if up {
            SourceState::Up
        } else {
            SourceState::Down
        },
        version: "1".to_string(),
        detail: if up { "" } else { "it does not answer" }.to_string(),
    })
}

/// The machines of a fleet.
pub fn all(fleet: &Fleet, at: Time) -> BTreeMap<NodeName, Machine> {
    let machine = |(name, node): (&NodeName, &Node)| (name.clone(), Machine::new(name, node, at));
    fleet.nodes.iter().map(machine).collect()
}
