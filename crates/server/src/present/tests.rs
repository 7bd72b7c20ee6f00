//! On worlds made by hand: what is shown, word for word.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, json};
use stead_core::action::{Action, ActionKey, ActionKind, Plan, Principal, State, Trigger};
use stead_core::command::{Command, Outcome};
use stead_core::container_sample::ContainerSample;
use stead_core::desired::{Check, Fleet, Node, Patience, Probe, Service, ServiceKind};
use stead_core::drift::Index;
use stead_core::event::{
    Body, Event, Kind, LevelNote, NodeRebooted, ServiceNote, Severity, Source,
};
use stead_core::facts::{
    CheckFacts, ContainerFacts, ContainerState, Fact, FactKey, Health as OwnHealth, Level,
    LevelFacts, ProbeOutput, SourceFacts, SourceKind, SourceState, UnitFacts, Verdict,
};
use stead_core::ids::{NodeName, Seq};
use stead_core::policy::Now;
use stead_core::sample::{CpuShare, HostSample, NetworkRate};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_core::world::{
    Engaged, Evidence, EvidenceState, NodeState, Report, Seen, ServiceMemory, Status, World,
};
use stead_engine::Trouble;

use super::*;

/// Nothing is live.
#[derive(Default)]
pub(super) struct Still {
    pub troubles: Vec<Trouble>,
}

impl Live for Still {
    fn sample(&self, _: &NodeName) -> Option<&HostSample> {
        None
    }
    fn container_samples(&self, _: &NodeName) -> &[ContainerSample] {
        &[]
    }
    fn is_connected(&self, _: &NodeName) -> bool {
        false
    }
    fn last_seen(&self, _: &NodeName) -> Option<Time> {
        None
    }
    fn troubles(&self) -> Vec<&Trouble> {
        self.troubles.iter().collect()
    }
}

/// Machines that were measured just now.
#[derive(Default)]
pub(super) struct Measured {
    pub hosts: BTreeMap<NodeName, HostSample>,
    pub containers: Vec<ContainerSample>,
}

impl Live for Measured {
    fn sample(&self, node: &NodeName) -> Option<&HostSample> {
        self.hosts.get(node)
    }
    fn container_samples(&self, _: &NodeName) -> &[ContainerSample] {
        &self.containers
    }
    fn is_connected(&self, node: &NodeName) -> bool {
        self.hosts.contains_key(node)
    }
    fn last_seen(&self, _: &NodeName) -> Option<Time> {
        None
    }
    fn troubles(&self) -> Vec<&Trouble> {
        Vec::new()
    }
}

pub(super) const NOW: Now = Now {
    at: Time(1_795_000_000_000),
    minute: 600,
    day: 0,
};

pub(super) fn piha() -> NodeName {
    "piha".parse().unwrap()
}

fn service_of(kind: ServiceKind) -> Service {
    Service {
        kind,
        monitor: true,
        suspended: false,
        needs: Vec::new(),
        patience: Patience::default(),
        checks: Vec::new(),
    }
}

pub(super) fn contained(name: &str) -> Service {
    service_of(ServiceKind::Container {
        container: name.parse().unwrap(),
        definition: None,
    })
}

fn seen(fact: Fact) -> Seen {
    Seen {
        fact: fact.into(),
        at: Time(NOW.at.0 - 60_000),
        seq: Seq(5),
    }
}

fn up() -> Fact {
    Fact::Container(ContainerFacts {
        id: "abc".into(),
        image: "web:1".into(),
        state: ContainerState::Running,
        ..Default::default()
    })
}

/// One node with the containers `web` (of a service) and `stray`, both running, as fresh as `state` says.
pub(super) fn world(state: EvidenceState) -> World {
    let mut node = Node::default();
    node.services
        .insert("web".parse().unwrap(), contained("web"));
    node.services.insert(
        "quiet".parse().unwrap(),
        Service {
            monitor: false,
            ..contained("quiet")
        },
    );
    let fleet = Fleet {
        name: "home".into(),
        nodes: BTreeMap::from([(piha(), node)]),
        ..Fleet::default()
    };
    let docker = SourceFacts {
        state: SourceState::Up,
        version: "29".into(),
        detail: String::new(),
    };
    let mut known = NodeState {
        evidence: Evidence {
            state,
            since: Time(NOW.at.0 - 30_000),
            seq: Seq(9),
        },
        ever_synced: true,
        ..NodeState::default()
    };
    known.facts.insert(
        FactKey::Source(SourceKind::Docker),
        seen(Fact::Source(docker)),
    );
    for name in ["web", "stray"] {
        known
            .facts
            .insert(FactKey::Container(name.parse().unwrap()), seen(up()));
    }
    let memory = ServiceMemory {
        status: Status::Healthy,
        since: Time(NOW.at.0 - 120_000),
        seq: Seq(6),
        ..Default::default()
    };
    known.services.insert("web".parse().unwrap(), memory);
    World {
        fleet: Arc::new(fleet),
        nodes: BTreeMap::from([(piha(), known)]),
        head: Seq(10),
        ..World::default()
    }
}

pub(super) fn with<T>(world: &World, live: &dyn Live, show: impl FnOnce(Look<'_>) -> T) -> T {
    let drift = Index::rebuild(world);
    show(Look {
        world,
        drift: &drift,
        live,
        now: NOW,
    })
}

fn health_of(world: &World, name: &str) -> Health {
    let name = name.parse().unwrap();
    with(world, &Still::default(), |look| {
        health(
            look,
            &piha(),
            &name,
            look.world.fleet.service(&piha(), &name).unwrap(),
        )
    })
}

pub(super) fn set(world: &mut World, key: FactKey, fact: Fact) {
    world
        .nodes
        .get_mut(&piha())
        .unwrap()
        .facts
        .insert(key, seen(fact));
}

#[test]
fn evidence_decides_what_may_be_called_healthy() {
    let shown = |state| health_of(&world(state), "web");
    assert_eq!(
        (
            shown(EvidenceState::Fresh).state,
            shown(EvidenceState::Fresh).since
        ),
        ("healthy", Some(Time(NOW.at.0 - 120_000)))
    );
    assert_eq!(shown(EvidenceState::Stale).state, "stale");
    assert_eq!(shown(EvidenceState::Offline).state, "stale");
    assert!(
        shown(EvidenceState::Stale)
            .detail
            .contains("it was healthy")
    );
    assert_eq!(shown(EvidenceState::Unknown).state, "unknown");
    assert_eq!(
        health_of(&world(EvidenceState::Fresh), "quiet").detail,
        "not watched (monitor: false)"
    );
    let mut never = world(EvidenceState::Fresh);
    never.nodes.clear();
    assert_eq!(
        health_of(&never, "web").detail,
        "no agent on piha has connected yet"
    );
}

#[test]
fn the_word_of_others_is_enough_for_trouble_but_never_for_health_while_stead_sees_nothing() {
    let mut world = world(EvidenceState::Unknown);
    let node = world.nodes.get_mut(&piha()).unwrap();
    node.ever_synced = false;
    let memory = node.services.get_mut("web").unwrap();
    memory.vouched = Some((NOW.at, Seq(10)));
    let vouched = health_of(&world, "web");
    assert_eq!(vouched.state, "unknown");
    assert!(
        vouched.detail.contains("others report it healthy"),
        "{vouched:?}"
    );
    let memory = world
        .nodes
        .get_mut(&piha())
        .unwrap()
        .services
        .get_mut("web")
        .unwrap();
    memory.report = Some(Report {
        trigger: Trigger::MqttUnreachable,
        detail: "no answer".into(),
        at: NOW.at,
        seq: Seq(10),
    });
    let reported = health_of(&world, "web");
    assert_eq!(
        (reported.state, reported.trigger),
        ("unhealthy", Some(Trigger::MqttUnreachable))
    );
}

#[test]
fn counting_and_listing_agree() {
    for (state, status) in [
        (EvidenceState::Fresh, Status::Healthy),
        (EvidenceState::Fresh, Status::Starting),
        (EvidenceState::Stale, Status::Healthy),
        (EvidenceState::Offline, Status::Healthy),
        (EvidenceState::Unknown, Status::Healthy),
    ] {
        let mut world = world(state);
        let node = world.nodes.get_mut(&piha()).unwrap();
        node.services.get_mut("web").unwrap().status = status;
        let health = match status {
            Status::Starting => OwnHealth::Starting,
            _ => OwnHealth::None,
        };
        let Fact::Container(web) = up() else {
            unreachable!("it is a container")
        };
        let web = ContainerFacts { health, ..web };
        let key = FactKey::Container("web".parse().unwrap());
        set(&mut world, key, Fact::Container(web));
        let sum = with(&world, &Still::default(), counted).services;
        let listed = health_of(&world, "web").state;
        assert_eq!(sum.total, 1);
        let by_word = [
            ("healthy", sum.healthy),
            ("stale", sum.stale),
            ("unknown", sum.unknown),
            ("unhealthy", sum.unhealthy),
            ("starting", sum.starting),
        ];
        for (word, n) in by_word {
            assert_eq!(n, u64::from(word == listed), "{state:?} {word}");
        }
    }
}

#[test]
fn the_sentence_says_what_is_the_matter() {
    let say = |world: &World, live: &Still| {
        let lately = Told::nothing(Time(NOW.at.0 - 86_400_000));
        with(world, live, |look| {
            overview(look, counted(look), lately, &[])
        })
    };
    let still = Still::default();
    let said = |world: &World| {
        let shown = say(world, &still);
        (shown.mood, shown.sentence)
    };
    let is = |mood: &str, sentence: &str| (mood.to_string(), sentence.to_string());
    assert_eq!(
        said(&world(EvidenceState::Fresh)),
        is("well", "The one service on 1 node is well")
    );
    assert_eq!(
        said(&World::default()),
        is("unknown", "No machine is watched yet")
    );
    assert_eq!(
        said(&world(EvidenceState::Offline)),
        is("trouble", "piha is silent")
    );
    assert_eq!(
        said(&world(EvidenceState::Unknown)),
        is("unknown", "Nothing has been heard from 1 node yet")
    );
    let mut ill = world(EvidenceState::Fresh);
    ill.nodes
        .get_mut(&piha())
        .unwrap()
        .services
        .get_mut("web")
        .unwrap()
        .status = Status::Missing;
    assert_eq!(said(&ill), is("trouble", "1 service is in trouble"));
    let mut full = world(EvidenceState::Fresh);
    let level = LevelFacts {
        level: Level::Warning,
        value: 71.0,
        what: "/srv".into(),
    };
    set(
        &mut full,
        FactKey::Level("disk:/srv".into()),
        Fact::Level(level),
    );
    assert_eq!(
        said(&full),
        is(
            "attention",
            "All services on 1 node are well, but 1 crossed threshold wants a look"
        )
    );
    let trouble = Trouble {
        code: "log-full".into(),
        text: "The disk is full.".into(),
        remedy: "Free some.".into(),
        since: NOW.at,
    };
    let shown = say(
        &world(EvidenceState::Fresh),
        &Still {
            troubles: vec![trouble],
        },
    );
    assert_eq!(
        (shown.mood.as_str(), shown.sentence.as_str()),
        ("trouble", "The disk is full.")
    );
    let mut broken = world(EvidenceState::Fresh);
    broken.desired.rejected = Some((NOW.at, "hosts/piha/services.yaml:3:5: unknown key".into()));
    let shown = say(&broken, &still);
    assert_eq!(shown.troubles[0].code, "fleet-broken");
    let problem = with(&broken, &still, |look| desired_info(look, Vec::new()))
        .problems
        .remove(0);
    assert_eq!(
        (problem.file.as_str(), problem.line, problem.column),
        ("hosts/piha/services.yaml", 3, 5)
    );
}

#[test]
fn what_runs_beside_the_fleet_is_listed_and_units_only_when_they_failed() {
    let mut world = world(EvidenceState::Fresh);
    for (name, active) in [("ssh.service", "active"), ("backup.service", "failed")] {
        let unit = UnitFacts {
            active: active.into(),
            result: "exit-code".into(),
            ..UnitFacts::default()
        };
        set(
            &mut world,
            FactKey::Unit(name.parse().unwrap()),
            Fact::Unit(unit),
        );
    }
    let stopped = ContainerFacts {
        state: ContainerState::Exited,
        exit_code: Some(0),
        ..ContainerFacts::default()
    };
    set(
        &mut world,
        FactKey::Container("once".parse().unwrap()),
        Fact::Container(stopped),
    );
    let list = with(&world, &Still::default(), |look| {
        services_of(look, &piha(), true)
    });
    let rows: Vec<_> = list
        .iter()
        .map(|s| (s.name.as_str(), s.managed, s.state.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("quiet", true, "unknown"),
            ("web", true, "healthy"),
            ("once", false, "unknown"),
            ("stray", false, "healthy"),
            ("backup.service", false, "unhealthy"),
        ]
    );
    let only = with(&world, &Still::default(), |look| {
        services_of(look, &piha(), false)
    });
    assert!(only.iter().all(|s| s.managed));
    world.nodes.get_mut(&piha()).unwrap().evidence.state = EvidenceState::Stale;
    let stale = with(&world, &Still::default(), |look| {
        services_of(look, &piha(), true)
    });
    assert!(
        stale
            .iter()
            .filter(|s| s.monitored || !s.managed)
            .all(|s| s.state == "stale"),
        "{stale:?}"
    );
}

#[test]
fn a_service_that_fell_ill_shows_its_checks_and_its_last_outputs_without_secrets() {
    let mut world = world(EvidenceState::Fresh);
    let log = |n: i64| ProbeOutput {
        at: Time(n),
        exit_code: n,
        output: format!("try {n}"),
    };
    let ill = ContainerFacts {
        state: ContainerState::Running,
        health: OwnHealth::Unhealthy,
        failing_streak: 4,
        health_log: vec![log(1), log(2), log(3), log(4)],
        restart_count: 2,
        ..ContainerFacts::default()
    };
    set(
        &mut world,
        FactKey::Container("web".parse().unwrap()),
        Fact::Container(ill),
    );
    let mut fleet = (*world.fleet).clone();
    let web = fleet
        .nodes
        .get_mut(&piha())
        .unwrap()
        .services
        .get_mut("web")
        .unwrap();
    let probe = Probe::Mqtt {
        host: "h".into(),
        port: 1,
        topic: None,
        username: None,
        password: Some("hunter2".into()),
    };
    let check = |name: &str, probe: Probe| Check {
        name: name.parse().unwrap(),
        probe,
        every: Span::secs(10),
        timeout: Span::secs(5),
        failures: None,
    };
    web.checks = vec![
        check("mqtt", probe),
        check(
            "tcp",
            Probe::Tcp {
                host: "h".into(),
                port: 2,
            },
        ),
    ];
    world.fleet = Arc::new(fleet);
    let facts = CheckFacts {
        verdict: Verdict::Failing,
        since: Time(7),
        probe: "mqtt".into(),
        asked: "MQTT h:1".into(),
        answer: "refused".into(),
    };
    set(
        &mut world,
        FactKey::Check("web".parse().unwrap(), "mqtt".parse().unwrap()),
        Fact::Check(facts),
    );
    let detail = with(&world, &Still::default(), |look| {
        service_detail(look, &piha(), &"web".parse().unwrap(), &[], &[]).unwrap()
    });
    assert_eq!(
        (detail.service.checks_total, detail.service.checks_failing),
        (2, 1)
    );
    let verdicts: Vec<&str> = detail.checks.iter().map(|c| c.verdict.as_str()).collect();
    assert_eq!(verdicts, ["failing", "waiting"]);
    let health = detail.health.unwrap();
    assert_eq!((health.failing_streak, health.restart_count), (4, 2));
    let outputs: Vec<&str> = health.outputs.iter().map(|o| o.output.as_str()).collect();
    assert_eq!(outputs, ["try 4", "try 3", "try 2"]);
    assert!(!detail.desired.unwrap().to_string().contains("hunter2"));
}

pub(super) fn an_action(state: State) -> Action {
    let key = ActionKey {
        kind: ActionKind::ContainerRestart,
        subject: "service/piha/web".parse::<Subject>().unwrap(),
    };
    let plan = Plan::new(
        &key,
        vec![Command::ContainerRestart {
            container: "web".parse().unwrap(),
            id: "abc".into(),
        }],
    );
    Action {
        risk: key.kind.risk(),
        level: key.kind.level(),
        key,
        occurrence: 1,
        state,
        plan,
        drift: "unhealthy_service".into(),
        trigger: Trigger::ContainerUnhealthy,
        reason: "web is unhealthy".into(),
        direct: false,
        created_at: NOW.at,
        updated_at: NOW.at,
        seq: Seq(8),
        approved_by: None,
        approved_digest: None,
        note: None,
        phase: None,
        token: Seq::ZERO,
        effect_seq: Seq::ZERO,
        steps: vec![Default::default()],
        outcome: None,
        code: None,
        freed: None,
        chain: Vec::new(),
    }
}

#[test]
fn an_action_says_who_decided_what_each_step_did_and_what_it_waits_for() {
    let world = world(EvidenceState::Fresh);
    let shown = |a: &Action| with(&world, &Still::default(), |look| action(look, a));
    let pending = shown(&an_action(State::Pending));
    assert_eq!(
        pending.waits_for.unwrap(),
        "a person's decision: level 2 is above policy.automatic.max_level 1"
    );
    assert_eq!(pending.steps[0].state, "waiting");
    assert_eq!(pending.blast_radius, ["web is down for a few seconds"]);
    let mut rejected = an_action(State::Rejected);
    rejected.note = Some("no: later".into());
    rejected.outcome = Some("rejected by ann: no: later".into());
    assert_eq!(shown(&rejected).decided_by.unwrap(), "ann");
    let mut failed = an_action(State::Failed);
    failed.approved_by = Some(Principal::Policy);
    failed.steps[0].attempt = 1;
    failed.steps[0].outcome = Some(Outcome::Failed {
        code: "engine-error".into(),
        why: "no such image".into(),
        output: "log".into(),
    });
    let failed = shown(&failed);
    assert_eq!(
        (failed.decided_by.as_deref(), failed.steps[0].state.as_str()),
        (Some("policy"), "failed")
    );
    assert_eq!(failed.steps[0].output, "no such image (engine-error)\nlog");
}

#[test]
fn an_approved_action_on_a_silent_node_says_that_it_waits_for_the_agent() {
    let world = world(EvidenceState::Offline);
    let waits = with(&world, &Still::default(), |look| {
        waits_for(look, &an_action(State::Approved))
    });
    assert_eq!(waits.unwrap(), "the agent of piha: it is silent");
}

fn event(subject: &str, body: Body) -> Event {
    Event {
        seq: Seq(7),
        id: "e7".into(),
        at: NOW.at,
        subject: subject.parse().unwrap(),
        severity: Severity::Warning,
        cause: None,
        source: Source::Server,
        cursor: 0,
        body,
    }
}

#[test]
fn every_kind_of_event_has_a_line_of_its_own() {
    let note = ServiceNote {
        detail: "exited (137)".into(),
        after_ms: Some(Span::mins(5)),
        ..Default::default()
    };
    let level = LevelNote {
        metric: "disk:/srv".into(),
        what: "/srv".into(),
        value: 71.2,
        level: "warning".into(),
        extra: Map::new(),
    };
    let swap = LevelNote {
        metric: "swap_used".into(),
        what: "swap used".into(),
        value: 2147483648.0,
        level: "warning".into(),
        extra: Map::new(),
    };
    let rebooted = NodeRebooted {
        clean: Some(false),
        away_ms: Some(Span::secs(90)),
        ..Default::default()
    };
    let unheard = NodeRebooted {
        away_ms: None,
        ..rebooted.clone()
    };
    for (subject, body, line) in [
        (
            "service/piha/web",
            Body::ServiceUnhealthy(note.clone()),
            "web is unhealthy: exited (137)",
        ),
        (
            "service/piha/web",
            Body::ServiceRecovered(note),
            "web is well again, after 5 min",
        ),
        (
            "node/piha",
            Body::DiskPressure(level),
            "/srv on piha is 71 % full",
        ),
        (
            "node/piha",
            Body::LevelRaised(swap),
            "swap used of piha is warning: 2 GiB",
        ),
        (
            "node/piha",
            Body::NodeRebooted(rebooted),
            "piha rebooted, without an orderly shutdown, away for 90 s",
        ),
        (
            "node/piha",
            Body::NodeRebooted(unheard),
            "piha rebooted, without an orderly shutdown",
        ),
        (
            "fleet",
            Body::ClockJumped(-7_200_000),
            "The clock was set back by 2 h",
        ),
        (
            "service/piha/web",
            Body::Other(
                Kind::new("tea.is-ready").unwrap(),
                json!({"message": "two cups"}),
            ),
            "web: tea is ready: two cups",
        ),
        (
            "node/piha",
            Body::Other(Kind::new("odd_thing").unwrap(), json!([1])),
            "piha: odd thing",
        ),
    ] {
        assert_eq!(text(&event(subject, body)), line);
    }
    // None of the known kinds falls through to the words of its own name.
    for kind in Body::KINDS {
        let body = Body::read(kind, serde_json::json!({}));
        if !matches!(body, Body::Other(..)) {
            let line = text(&event("service/piha/web", body));
            assert_ne!(
                line,
                format!("web: {}", kind.replace('_', " ")),
                "{kind} has no line"
            );
        }
    }
    let long = Body::Other(
        Kind::new("x").unwrap(),
        json!({"text": "word ".repeat(200)}),
    );
    assert_eq!(text(&event("node/piha", long)).chars().count(), 300);
}

#[test]
fn a_sample_is_one_row_in_which_no_byte_is_counted_twice() {
    let wire = |name: &str| NetworkRate {
        name: name.into(),
        rx_bytes_s: 10,
        tx_bytes_s: 1,
        errors: 0,
    };
    let host = HostSample {
        cpu: Some(CpuShare {
            user: 10.0,
            system: 5.5,
            steal: 1.25,
            idle: 83.25,
            ..CpuShare::default()
        }),
        networks: vec![
            wire("eth0"),
            wire("lo"),
            wire("veth12"),
            wire("br-9"),
            wire("wlan0"),
        ],
        ..HostSample::default()
    };
    let row = sample(&host);
    assert_eq!((row.cpu_percent, row.steal_percent), (15.5, 1.3));
    assert_eq!((row.net_rx_bytes, row.net_tx_bytes), (20.0, 2.0));
}

#[test]
fn the_mood_is_that_of_the_worst_that_is_known() {
    let lately = Told::nothing(Time(NOW.at.0 - 86_400_000));
    let mood = |world: &World| {
        let still = Still::default();
        let shown = with(world, &still, |look| {
            overview(look, counted(look), lately, &[])
        });
        shown.mood
    };
    let fresh = || world(EvidenceState::Fresh);
    let filled = |mut world: World| {
        let level = LevelFacts {
            level: Level::Critical,
            value: 9e9,
            what: "swap used".into(),
        };
        let key = FactKey::Level("swap_used".into());
        set(&mut world, key, Fact::Level(level));
        world
    };
    let mut braked = fresh();
    braked.brake.engaged = Some(Engaged {
        since: NOW.at,
        seq: Seq(9),
        drifting: 6,
        fresh: 9,
        limit: 55.0,
    });
    let mut asked = fresh();
    let question = an_action(State::Pending);
    asked.actions.open.insert(question.key.clone(), question);
    let mut unheard = fresh();
    let nodes = &mut Arc::make_mut(&mut unheard.fleet).nodes;
    nodes.insert("attic".parse().unwrap(), Node::default());
    assert_eq!(mood(&fresh()), "well");
    assert_eq!(mood(&braked), "trouble");
    assert_eq!(mood(&filled(fresh())), "trouble");
    assert_eq!(
        mood(&filled(world(EvidenceState::Stale))),
        "unknown",
        "an old reading is none"
    );
    assert_eq!(mood(&asked), "attention");
    assert_eq!(mood(&unheard), "attention");
}

#[test]
fn of_many_nodes_those_that_need_a_look_are_shown() {
    let mut world = world(EvidenceState::Fresh);
    let nodes = &mut Arc::make_mut(&mut world.fleet).nodes;
    nodes.insert("zz".parse().unwrap(), Node::default());
    let well = world.nodes[&piha()].clone();
    for n in 0..60 {
        world
            .nodes
            .insert(format!("n{n:02}").parse().unwrap(), well.clone());
    }
    let lately = Told::nothing(NOW.at);
    let shown = with(&world, &Still::default(), |look| {
        overview(look, counted(look), lately, &[])
    });
    assert_eq!((shown.nodes.len(), shown.nodes_unlisted), (48, 14));
    assert_eq!(shown.nodes[0].name, "zz", "it was never heard");
}

#[test]
fn what_ended_a_container_and_what_changed_before_it_is_shown() {
    let mut world = world(EvidenceState::Fresh);
    let ended = ContainerFacts {
        id: "abc".into(),
        state: ContainerState::Exited,
        oom_killed: true,
        finished_at: Some(Time(7)),
        ..ContainerFacts::default()
    };
    let web = FactKey::Container("web".parse().unwrap());
    set(&mut world, web, Fact::Container(ended));
    let memory = world.nodes.get_mut(&piha()).unwrap();
    let memory = memory.services.get_mut("web").unwrap();
    (memory.status, memory.since) = (Status::Unhealthy, Time(8));
    let changed = [event(
        "node/piha",
        Body::NodeRebooted(NodeRebooted::default()),
    )];
    let service = with(&world, &Still::default(), |look| {
        service_detail(look, &piha(), &"web".parse().unwrap(), &[], &changed).unwrap()
    });
    assert_eq!(service.changed_before.len(), 1);
    let health = service.health.unwrap();
    let at = |ms| Some(Time(ms).to_string());
    assert_eq!((health.last_oom, health.unhealthy_since), (at(7), at(8)));
    let worst = with(&world, &Still::default(), |look| {
        let state = look.world.node(&piha()).unwrap();
        let mut all: Vec<_> = state.containers().collect();
        all.reverse();
        drilldown::why_ill(look, &piha(), &all, &"service/piha/web".parse().unwrap()).unwrap()
    });
    assert_eq!(worst.last_oom, at(7), "of all the one that is worst off");
    let name = "web".parse().unwrap();
    let container = with(&world, &Still::default(), |look| {
        container_detail(look, &piha(), &name, &[], Vec::new(), &changed).unwrap()
    });
    assert_eq!(container.changed_before.len(), 1);
    assert_eq!(
        container.health_detail.unhealthy_since, None,
        "what exited is not unhealthy"
    );
}
