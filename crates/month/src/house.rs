//! A machine of the invented fleet: what is so on it, what that looks like to an agent, and how it goes on by itself. It
//! knows no clock and no task: whoever asks says when. The same seed, times and orders give the same machine.

use std::collections::BTreeMap;

use stead_core::command::Command;
use stead_core::facts::{
    CleanupSeen, ContainerFacts, ContainerState, Fact, FactKey, Facts, Gpu, Health, HostFacts,
    LoadedModel, ModelFacts, ProbeOutput, SourceFacts, SourceKind, SourceState, UnitFacts,
};
use stead_core::ids::{ContainerName, ModelName, UnitName};
use stead_core::time::{Span, Time};
use stead_sim::chance::Chance;

use crate::course::What;
use crate::places::{Model, Place, Tenant};

const MIB: f64 = 1_048_576.0;
pub const GIB: f64 = 1024.0 * MIB;
const DAY: f64 = 86_400_000.0;
/// A container says nothing of its health for so long after its start.
const STARTING: Span = Span::secs(12);
/// A health check is asked so often, and must fail three times.
const CHECKED: Span = Span::secs(30);
const FAILURES: u32 = 3;

#[derive(Debug)]
pub struct House {
    pub place: &'static Place,
    pub chance: Chance,
    pub boots: u32,
    pub booted_at: Time,
    clean: Option<bool>,
    kernel: &'static str,
    reboot_wanted: Option<Time>,
    cleanup: Option<CleanupSeen>,
    pub rooms: BTreeMap<ContainerName, Room>,
    units: BTreeMap<UnitName, Unit>,
    /// Bytes used of each disk, in the place's order.
    pub used: Vec<f64>,
    models: BTreeMap<ModelName, bool>,
    /// Bytes of swap in use.
    pub swapped: f64,
    pub kills: u64,
    /// Until when it cannot be reached, or is off.
    pub away_until: Time,
    pub off_until: Time,
    /// When it last went on.
    seen: Time,
    made: u32,
}

/// A container that is there.
#[derive(Debug)]
pub struct Room {
    pub tenant: &'static Tenant,
    id: String,
    image: &'static str,
    image_created_at: Time,
    created_at: Time,
    pub started_at: Time,
    restarts: u32,
    out_of_memory: bool,
    ill: Option<Illness>,
    pub rate: f64,
}

#[derive(Debug, Clone, Copy)]
struct Illness {
    since: Time,
    until: Option<Time>,
    why: &'static str,
}

#[derive(Debug)]
struct Unit {
    description: &'static str,
    since: Time,
    failed: bool,
    pid: u32,
}

impl House {
    /// A machine that has run for some weeks at `at`.
    pub fn new(place: &'static Place, seed: u64, at: Time) -> House {
        let mut chance = Chance::of(seed, place.name);
        let booted_at = before(at, 12 + chance.below(30));
        let mut house = House {
            place,
            chance,
            boots: 1,
            booted_at,
            clean: Some(true),
            kernel: place.kernel,
            reboot_wanted: None,
            cleanup: None,
            rooms: BTreeMap::new(),
            units: BTreeMap::new(),
            used: place
                .disks
                .iter()
                .map(|d| d.3 as f64 * GIB * d.4 / 100.0)
                .collect(),
            models: BTreeMap::new(),
            swapped: 0.0,
            kills: 0,
            away_until: at,
            off_until: at,
            seen: at,
            made: 0,
        };
        for tenant in place.tenants {
            let id = house.id(tenant.name);
            let room = Room {
                tenant,
                id,
                image: tenant.image,
                image_created_at: before(at, tenant.aged),
                created_at: before(at, tenant.aged.min(20)),
                started_at: booted_at.max(before(at, tenant.aged.min(20))),
                restarts: 0,
                out_of_memory: false,
                ill: None,
                rate: tenant.writes,
            };
            house.rooms.insert(named(tenant.name), room);
        }
        for (number, (name, description)) in place.units.iter().enumerate() {
            let unit = Unit {
                description,
                since: booted_at,
                failed: false,
                pid: 600 + 37 * number as u32,
            };
            house.units.insert(named(name), unit);
        }
        house.models = place.models.iter().map(|m| (named(m.0), false)).collect();
        house
    }

    fn id(&mut self, name: &str) -> String {
        self.made += 1;
        let mut chance = Chance::of(u64::from(self.made), name);
        (0..4).map(|_| format!("{:016x}", chance.draw())).collect()
    }

    pub fn is_off(&self, at: Time) -> bool {
        at < self.off_until
    }

    /// Time goes on until `at`: disks fill, what leaks leaks, what gets well by itself does.
    pub fn pass(&mut self, at: Time) {
        let days = at.since(self.seen).0 as f64 / DAY;
        self.seen = self.seen.max(at);
        for (used, disk) in self.used.iter_mut().zip(self.place.disks) {
            let full = disk.3 as f64 * GIB;
            *used = (*used + disk.5 * GIB * days).min(full * 0.99);
        }
        // What is written beyond the usual stays on the largest disk.
        let beyond: f64 = self
            .rooms
            .values()
            .map(|r| (r.rate - r.tenant.writes).max(0.0))
            .sum();
        if let Some(used) = self.used.last_mut() {
            *used += beyond * days * 86_400.0;
        }
        let pressed = self.memory(at) / (self.place.memory.0 as f64 * GIB);
        let swap = self.place.memory.1 as f64 * GIB;
        let wants = ((pressed - 0.55) * 2.2).clamp(0.0, 0.9) * swap;
        self.swapped += (wants - self.swapped).max(-0.02 * swap * days) * (days * 6.0).min(1.0);
        for room in self.rooms.values_mut() {
            room.ill
                .take_if(|ill| ill.until.is_some_and(|until| until <= at));
        }
    }

    /// Bytes that programs hold.
    pub fn memory(&self, at: Time) -> f64 {
        let rooms: f64 = self.rooms.values().map(|room| room.memory(at)).sum();
        let models: f64 = self.loaded().map(|m| m.1 * GIB * 0.25).sum();
        rooms + models + (0.3 + self.place.memory.0 as f64 * 0.045) * GIB
    }

    /// The models in memory.
    pub fn loaded(&self) -> impl Iterator<Item = &'static Model> {
        let is = |name: &str| self.models.get(&named::<ModelName>(name)) == Some(&true);
        self.place.models.iter().filter(move |m| is(m.0))
    }

    /// Something happens. `Some`: a program was killed for its memory, the container's name and ID.
    pub fn happens(&mut self, what: What, at: Time) -> Option<(ContainerName, String)> {
        match what {
            What::Ill { container, why } => self.falls_ill(container, why, at, None),
            What::Passing {
                container,
                why,
                minutes,
            } => {
                self.falls_ill(container, why, at, Some(at + Span::mins(minutes)));
            }
            What::Deploy { container, image } => {
                let id = self.id(container);
                let room = self.room(container)?;
                (room.id, room.image) = (id, image);
                (room.image_created_at, room.created_at) = (before(at, 1), at);
                (room.started_at, room.restarts, room.ill) = (at, 0, None);
            }
            What::Writes { container, rate } => self.room(container)?.rate = rate,
            What::OutOfMemory { container } => {
                self.kills += 1;
                let room = self.room(container)?;
                (room.started_at, room.out_of_memory) = (at, true);
                room.restarts += 1;
                return Some((named(container), room.id.clone()));
            }
            What::UnitFails { unit } => self.unit(unit, true, at),
            What::UnitWell { unit } => self.unit(unit, false, at),
            What::RebootWanted => self.reboot_wanted = Some(at),
            What::Reboot { minutes, kernel } => {
                (self.kernel, self.reboot_wanted) = (kernel, None);
                self.off(at + Span::mins(minutes), true);
            }
            What::PowerCut { minutes } => self.off(at + Span::mins(minutes), false),
            What::Away { minutes } => self.away_until = at + Span::mins(minutes),
            What::Cleanup { gib } => self.cleans(gib, at),
            What::Load { model } => drop(self.models.insert(named(model), true)),
            What::Unload { model } => drop(self.models.insert(named(model), false)),
        }
        None
    }

    fn room(&mut self, container: &str) -> Option<&mut Room> {
        self.rooms.get_mut(&named::<ContainerName>(container))
    }

    fn falls_ill(&mut self, container: &str, why: &'static str, since: Time, until: Option<Time>) {
        if let Some(room) = self.room(container) {
            room.ill = Some(Illness { since, until, why });
        }
    }

    fn unit(&mut self, unit: &str, failed: bool, at: Time) {
        if let Some(unit) = self.units.get_mut(&named::<UnitName>(unit)) {
            (unit.failed, unit.since) = (failed, at);
            unit.pid += 1_009;
        }
    }

    fn cleans(&mut self, gib: f64, at: Time) {
        let freed = self
            .used
            .first()
            .map_or(0.0, |used| (gib * GIB).min(used * 0.2));
        if let Some(used) = self.used.first_mut() {
            *used -= freed;
        }
        self.cleanup = Some(CleanupSeen {
            at,
            freed: freed as u64,
        });
    }

    fn off(&mut self, until: Time, clean: bool) {
        self.off_until = until;
        (self.boots, self.booted_at, self.clean) = (self.boots + 1, until, Some(clean));
        (self.swapped, self.kills) = (0.0, 0);
        for room in self.rooms.values_mut() {
            (room.started_at, room.ill) = (until, None);
        }
        for unit in self.units.values_mut() {
            unit.since = until;
        }
    }

    /// Carries an order out; whether what it names is there.
    pub fn obey(&mut self, command: &Command, at: Time) -> bool {
        match command {
            Command::ContainerRestart { container, id } => match self.rooms.get_mut(container) {
                Some(room) if room.id == *id => {
                    (room.started_at, room.ill) = (at, None);
                    true
                }
                _ => false,
            },
            Command::UnitRestart { unit } => match self.units.get_mut(unit) {
                Some(unit) => {
                    (unit.failed, unit.since) = (false, at);
                    true
                }
                None => false,
            },
            Command::DiskCleanup { .. } => {
                self.cleans(1.5, at);
                true
            }
            Command::ModelLoad { model, .. } => self.models.insert(model.clone(), true).is_some(),
            Command::ModelUnload { model } => self.models.insert(model.clone(), false).is_some(),
            _ => false,
        }
    }

    /// What an agent sees of it.
    pub fn facts(&self, at: Time) -> Facts {
        let mut facts = Facts::new();
        facts.insert(FactKey::Host, Fact::Host(self.host()));
        facts.insert(FactKey::Source(SourceKind::Docker), up("28.5.1"));
        facts.insert(FactKey::Source(SourceKind::Systemd), up("252"));
        if !self.models.is_empty() {
            facts.insert(FactKey::Source(SourceKind::Ollama), up("0.12.6"));
        }
        for (name, room) in &self.rooms {
            facts.insert(
                FactKey::Container(name.clone()),
                Fact::Container(room.facts(at)),
            );
        }
        for (name, unit) in &self.units {
            facts.insert(FactKey::Unit(name.clone()), Fact::Unit(unit.facts()));
        }
        for model in self.place.models {
            let name: ModelName = named(model.0);
            let loaded = self.models.get(&name) == Some(&true);
            facts.insert(FactKey::Model(name), Fact::Model(self.model(model, loaded)));
        }
        facts
    }

    fn host(&self) -> HostFacts {
        let place = self.place;
        let gpu = |(name, gib): (&str, u64)| Gpu {
            name: name.to_string(),
            driver: "550.163.01".to_string(),
            memory_bytes: Some(gib << 30),
        };
        HostFacts {
            hostname: place.name.to_string(),
            boot_id: format!("{}-{}", place.name, self.boots),
            booted_at: self.booted_at,
            clean_shutdown: self.clean,
            os: place.os.to_string(),
            kernel: self.kernel.to_string(),
            arch: place.arch.to_string(),
            cpus: place.cores,
            memory_bytes: place.memory.0 << 30,
            swap_bytes: place.memory.1 << 30,
            virtualization: place.virtualization.to_string(),
            agent_version: env!("CARGO_PKG_VERSION").to_string(),
            read_only: false,
            reboot_required: self.reboot_wanted.map(|_| vec!["linux-image".to_string()]),
            reboot_required_since: self.reboot_wanted,
            gpus: place.gpu.map(gpu).into_iter().collect(),
            last_cleanup: self.cleanup,
            limit: None,
        }
    }

    fn model(&self, model: &Model, loaded: bool) -> ModelFacts {
        let (name, gib, family, parameters, quantization) = *model;
        let size = (gib * GIB) as u64;
        let mut chance = Chance::of(7, name);
        ModelFacts {
            digest: (0..4).map(|_| format!("{:016x}", chance.draw())).collect(),
            size,
            modified_at: Some(before(self.booted_at, 40)),
            family: family.to_string(),
            parameters: parameters.to_string(),
            quantization: quantization.to_string(),
            loaded: loaded.then_some(LoadedModel {
                size: size + size / 5,
                vram: (size + size / 5).min(12 << 30),
                context: 8_192,
            }),
        }
    }
}

impl Room {
    /// Bytes in use: it grows until it is started anew.
    pub fn memory(&self, at: Time) -> f64 {
        let (start, leak) = self.tenant.memory;
        let days = at.since(self.started_at).0 as f64 / DAY;
        let held = (start + leak * days) * MIB;
        match self.tenant.limit {
            0 => held,
            limit => held.min(limit as f64 * MIB * 0.985),
        }
    }

    pub fn is_ill(&self) -> bool {
        self.ill.is_some()
    }

    fn health(&self, at: Time) -> (Health, u32, Vec<ProbeOutput>) {
        if at < self.started_at + STARTING {
            return (Health::Starting, 0, Vec::new());
        }
        let Some(ill) = self.ill else {
            return (Health::Healthy, 0, Vec::new());
        };
        let failed = 1 + at.since(ill.since).0 / CHECKED.0;
        let output = |number: u64| ProbeOutput {
            at: ill.since + Span(CHECKED.0 * number),
            exit_code: 1,
            output: ill.why.to_string(),
        };
        let streak = u32::try_from(failed).unwrap_or(u32::MAX);
        // What is told changes while it counts; afterwards it is one and the same trouble.
        let streak = streak.min(FAILURES);
        let log = (0..u64::from(streak)).map(output).collect();
        let health = match streak {
            FAILURES.. => Health::Unhealthy,
            _ => Health::Failing,
        };
        (health, streak, log)
    }

    fn facts(&self, at: Time) -> ContainerFacts {
        let tenant = self.tenant;
        let (health, failing_streak, health_log) = self.health(at);
        let label = |key: &str, value: &str| (key.to_string(), value.to_string());
        ContainerFacts {
            id: self.id.clone(),
            image: self.image.to_string(),
            image_id: format!("sha256:{:016x}", Chance::of(1, self.image).draw()),
            image_created_at: Some(self.image_created_at),
            created_at: self.created_at,
            state: ContainerState::Running,
            health,
            started_at: Some(self.started_at),
            oom_killed: self.out_of_memory,
            restart_count: self.restarts,
            failing_streak,
            health_log,
            labels: BTreeMap::from([
                label("com.docker.compose.project", tenant.stack),
                label("com.docker.compose.service", tenant.name),
                label(
                    "com.docker.compose.project.working_dir",
                    &format!("/srv/{}", tenant.stack),
                ),
                label("product", tenant.stack),
            ]),
            memory_limit: tenant.limit << 20,
            restart_policy: "unless-stopped".to_string(),
            ..ContainerFacts::default()
        }
    }
}

impl Unit {
    fn facts(&self) -> UnitFacts {
        let word = |failed: &str, well: &str| if self.failed { failed } else { well }.to_string();
        UnitFacts {
            load: "loaded".to_string(),
            active: word("failed", "active"),
            sub: word("failed", "running"),
            description: self.description.to_string(),
            result: word("exit-code", "success"),
            exit_status: i32::from(self.failed),
            main_pid: if self.failed { 0 } else { self.pid },
            active_since: Some(self.since),
            enabled: "enabled".to_string(),
            ..UnitFacts::default()
        }
    }
}

/// A name that was written down here, and is one.
pub fn named<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("names of the invented fleet are names")
}

fn before(at: Time, days: u64) -> Time {
    Time(at.0 - (days * 86_400_000) as i64)
}

fn up(version: &str) -> Fact {
    Fact::Source(SourceFacts {
        state: SourceState::Up,
        version: version.to_string(),
        detail: String::new(),
    })
}
