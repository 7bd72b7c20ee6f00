//! The example fleet of the repository loads, and means what its comments say.

use std::path::Path;
use stead_core::desired::{Probe, ServiceKind};
use stead_core::ids::NodeName;
use stead_core::time::Span;
use stead_fleet::{Options, Tree, load};

fn example() -> stead_fleet::Loaded {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fleet");
    load(&Tree::from_dir(&root), &Options::default())
}

#[test]
fn the_example_loads_without_a_problem() {
    let loaded = example();
    assert_eq!(loaded.problems, []);
    let fleet = loaded.fleet.expect("a fleet");
    assert_eq!(fleet.name, "home");
    assert_eq!(fleet.nodes.len(), 2);
    let piha = NodeName::new("piha").expect("name");
    let node_1 = NodeName::new("node-1").expect("name");
    assert_eq!(fleet.resolve(&node_1), &piha);
    assert_eq!(fleet.policy.rules.len(), 2);
    assert_eq!(fleet.policy.limits.mass_drift, 55.0);
    assert_eq!(fleet.policy.limits.back_off, Span::mins(2));
    let night = fleet.policy.rules[0].between.expect("a window");
    assert!(night.contains(23 * 60) && !night.contains(12 * 60));
    assert_eq!(fleet.policy.repairs[0].kind.as_deref(), Some("compose"));
}

#[test]
fn services_arrive_with_their_defaults_filled_in() {
    let fleet = example().fleet.expect("a fleet");
    let services = &fleet.nodes[&NodeName::new("piha").expect("name")].services;
    let mosquitto = &services["mosquitto"];
    assert_eq!(mosquitto.checks[0].name, "mqtt");
    assert_eq!(mosquitto.checks[0].every, Span::secs(10));
    assert_eq!(mosquitto.checks[0].timeout, Span::secs(5));
    assert!(
        matches!(&mosquitto.checks[0].probe, Probe::Mqtt { host, port: 1883, .. } if host == "127.0.0.1")
    );

    let z2m = &services["zigbee2mqtt"];
    assert_eq!(
        z2m.needs,
        [stead_core::ids::ServiceName::new("mosquitto").expect("name")]
    );
    assert!(
        matches!(&z2m.kind, ServiceKind::Container { container, definition: None } if *container == "z2m")
    );

    let ServiceKind::Container {
        definition: Some(definition),
        container,
    } = &services["web-whoami"].kind
    else {
        panic!("{:?}", services["web-whoami"])
    };
    assert_eq!(*container, "web-whoami");
    assert_eq!(definition.mem_limit, Some(64 << 20));
    assert_eq!(
        definition.command.as_deref(),
        Some(&["--port".to_owned(), "8081".to_owned()][..])
    );
    assert_eq!(definition.restart.as_deref(), Some("unless-stopped"));

    let names: Vec<_> = services["nginx"]
        .checks
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["http", "tls", "no-emergency"]);
    assert!(!services["homeassistant"].monitor);
}

#[test]
fn what_this_build_does_not_act_on_is_said_once_a_kind() {
    let notices = example().fleet.expect("a fleet").notices;
    for word in [
        "jobs (2)",
        "backups (1)",
        "runbooks (1)",
        "channels that are no webhook (1)",
        "routes to such channels alone (1)",
    ] {
        assert_eq!(
            notices.iter().filter(|n| n.contains(word)).count(),
            1,
            "{word}: {notices:?}"
        );
    }
    assert!(
        !notices.iter().any(|n| n.contains("console")),
        "{notices:?}"
    );
}

#[test]
fn a_repair_by_an_action_to_come_is_said() {
    let stead =
        "policy: {repairs: [{drift: unhealthy_service, kind: loop, action: loop_restart}]}\n";
    let tree = Tree::from_files([("stead.yaml", stead), ("hosts/a/node.yaml", "")]);
    let loaded = load(&tree, &Options::default());
    assert_eq!(loaded.problems, []);
    let notices = loaded.fleet.expect("a fleet").notices;
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0].starts_with("repairs by actions to come (1)"),
        "{notices:?}"
    );
}
