//! A small fleet to play on: builds desired state and facts, drives the controller, keeps its log.

use std::sync::Arc;

use stead_core::action::{Action, Principal, State};
use stead_core::command::Outcome;
use stead_core::controller::{
    Change, Command, Controller, Effect, ForeignEvent, Input, Refusal, Reply,
};
use stead_core::desired::{
    ContainerDef, Fleet, Match, Node, Patience, Rule, Says, Service, ServiceKind,
};
use stead_core::event::{DesiredLoaded, Event, Kind, Source};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts, Level, LevelFacts,
    SourceFacts, SourceKind, SourceState, UnitFacts,
};
use stead_core::ids::NodeName;
use stead_core::policy::Now;
use stead_core::time::{Span, Time};
use stead_core::world::World;

pub struct Stage {
    pub controller: Controller,
    pub log: Vec<Event>,
    pub effects: Vec<Effect>,
    pub now: Time,
    /// The owner's time of day and day: noon of a Thursday.
    pub minute: u16,
    pub day: i32,
    cursor: u64,
}

pub fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name")
}

pub fn service(kind: ServiceKind) -> Service {
    Service {
        kind,
        monitor: true,
        suspended: false,
        needs: Vec::new(),
        patience: Patience::default(),
        checks: Vec::new(),
    }
}

pub fn container(container: &str, image: Option<&str>) -> Service {
    let definition = image.map(|image| ContainerDef {
        image: image.to_string(),
        ..Default::default()
    });
    service(ServiceKind::Container {
        container: name(container),
        definition,
    })
}

pub fn unit(unit: &str) -> Service {
    service(ServiceKind::Systemd { unit: name(unit) })
}

pub fn fleet(nodes: &[(&str, &[(&str, Service)])]) -> Fleet {
    let mut fleet = Fleet {
        name: "test".to_string(),
        ..Default::default()
    };
    for (node, services) in nodes {
        let services = services.iter().map(|(n, s)| (name(n), s.clone())).collect();
        fleet.nodes.insert(
            name(node),
            Node {
                services,
                ..Default::default()
            },
        );
    }
    fleet
}

pub fn automatic(mut fleet: Fleet, action: &str) -> Fleet {
    let matches = Match {
        action: Some(action.to_string()),
        ..Default::default()
    };
    fleet.policy.rules.push(Rule {
        matches,
        says: Says::Automatic(true),
        between: None,
        days: None,
        hours: None,
    });
    fleet
}

pub fn host(boot: &str) -> (FactKey, Fact) {
    (
        FactKey::Host,
        Fact::Host(HostFacts {
            boot_id: boot.to_string(),
            ..Default::default()
        }),
    )
}

pub fn booted_at(mut fact: (FactKey, Fact), at: i64) -> (FactKey, Fact) {
    if let Fact::Host(host) = &mut fact.1 {
        host.booted_at = Time(at);
    }
    fact
}

pub fn up(kind: SourceKind) -> (FactKey, Fact) {
    let facts = SourceFacts {
        state: SourceState::Up,
        version: "1".to_string(),
        detail: String::new(),
    };
    (FactKey::Source(kind), Fact::Source(facts))
}

pub fn runs(c: &str, id: &str, health: Health) -> (FactKey, Fact) {
    shows(c, id, ContainerState::Running, health)
}

pub fn shows(c: &str, id: &str, state: ContainerState, health: Health) -> (FactKey, Fact) {
    let facts = ContainerFacts {
        id: id.to_string(),
        image: "app:1".to_string(),
        state,
        health,
        exit_code: (state == ContainerState::Exited).then_some(137),
        ..Default::default()
    };
    (FactKey::Container(name(c)), Fact::Container(facts))
}

pub fn started_at(mut fact: (FactKey, Fact), at: i64) -> (FactKey, Fact) {
    if let Fact::Container(c) = &mut fact.1 {
        c.started_at = Some(Time(at));
    }
    fact
}

pub fn unit_is(u: &str, active: &str) -> (FactKey, Fact) {
    let facts = UnitFacts {
        load: "loaded".into(),
        active: active.into(),
        ..Default::default()
    };
    (FactKey::Unit(name(u)), Fact::Unit(facts))
}

pub fn disk(level: Level, value: f64) -> (FactKey, Fact) {
    (
        FactKey::Level("disk:/".into()),
        Fact::Level(LevelFacts {
            level,
            value,
            what: "/".into(),
        }),
    )
}

impl Stage {
    pub fn new(fleet: Fleet) -> Stage {
        let controller = Controller::new(World::default(), "t");
        let (log, effects) = (Vec::new(), Vec::new());
        let mut stage = Stage {
            controller,
            log,
            effects,
            now: Time(1_795_000_000_000),
            minute: 12 * 60,
            day: 0,
            cursor: 0,
        };
        stage.put(Input::Started {
            version: "test".to_string(),
        });
        stage.load(fleet);
        stage
    }

    pub fn put(&mut self, input: Input) -> Option<Result<Reply, Refusal>> {
        let step = self.controller.handle(
            Now {
                at: self.now,
                minute: self.minute,
                day: self.day,
            },
            input,
        );
        self.log.extend(step.events);
        self.effects.extend(step.effects);
        step.reply
    }

    pub fn load(&mut self, fleet: Fleet) {
        let loaded = DesiredLoaded {
            digest: fleet.digest(),
            origin: "test".to_string(),
            ..Default::default()
        };
        self.put(Input::Desired {
            loaded,
            fleet: Arc::new(fleet),
        });
    }

    pub fn snapshot(&mut self, node: &str, facts: &[(FactKey, Fact)]) {
        self.cursor += 1;
        let facts: Facts = facts.iter().cloned().collect();
        self.put(Input::Snapshot {
            node: name(node),
            at: self.now,
            facts,
            spool: "s".to_string(),
            cursor: self.cursor,
            digest: String::new(),
        });
    }

    pub fn see(&mut self, node: &str, (key, fact): (FactKey, Fact)) {
        self.change(node, Change::Seen(key, fact));
    }

    pub fn gone(&mut self, node: &str, key: FactKey) {
        self.change(node, Change::Gone(key));
    }

    fn change(&mut self, node: &str, change: Change) {
        self.cursor += 1;
        self.put(Input::Observed {
            node: name(node),
            at: self.now,
            cursor: self.cursor,
            changes: vec![change],
        });
    }

    pub fn report(&mut self, subject: &str, kind: &str) {
        let id = format!("x{}", self.log.len());
        self.put(Input::Foreign(ForeignEvent {
            id,
            at: self.now,
            subject: name(subject),
            kind: Kind::new(kind).expect("a kind"),
            severity: None,
            data: serde_json::json!({"detail": "told"}),
            source: Source::Inbox,
        }));
    }

    pub fn wait(&mut self, span: Span) {
        self.now = self.now + span;
        self.put(Input::Tick);
    }

    /// Time passes while the agent goes on saying that it is there.
    pub fn live(&mut self, node: &str, span: Span) {
        let end = self.now + span;
        while self.now < end {
            self.now = self.now + Span::secs(5);
            self.put(Input::Heard {
                node: name::<NodeName>(node),
            });
        }
    }

    pub fn approve(&mut self, id: &str) -> Result<Reply, Refusal> {
        let by = Principal::User("anna".to_string());
        self.put(Input::Command(Command::Approve {
            id: id.to_string(),
            digest: None,
            by,
            note: None,
        }))
        .expect("a reply")
    }

    pub fn command(&mut self, command: Command) -> Result<Reply, Refusal> {
        self.put(Input::Command(command)).expect("a reply")
    }

    /// The agent answers the latest order.
    pub fn answer(&mut self, outcome: Outcome) {
        let Some(Effect::Order { order, .. }) = self.orders().last().cloned() else {
            panic!("nothing was ordered")
        };
        let (action, occurrence, step, attempt) =
            (order.action, order.occurrence, order.step, order.attempt);
        self.put(Input::Result {
            action,
            occurrence,
            step,
            attempt,
            outcome,
        });
    }

    pub fn orders(&self) -> Vec<Effect> {
        self.effects
            .iter()
            .filter(|e| matches!(e, Effect::Order { .. }))
            .cloned()
            .collect()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.log.iter().map(|e| e.kind().to_string()).collect()
    }

    pub fn count(&self, kind: &str) -> usize {
        self.log
            .iter()
            .filter(|e| e.kind().as_str() == kind)
            .count()
    }

    pub fn action(&self, id: &str) -> &Action {
        self.controller
            .world()
            .actions
            .any_by_id(id)
            .unwrap_or_else(|| panic!("no action {id}: {:?}", self.kinds()))
    }

    pub fn state(&self, id: &str) -> State {
        self.action(id).state
    }

    pub fn open(&self) -> Vec<String> {
        self.controller
            .world()
            .actions
            .open
            .values()
            .map(Action::label)
            .collect()
    }
}

pub fn done() -> Outcome {
    Outcome::Done {
        output: String::new(),
        freed: None,
    }
}
