//! What the files say about autonomy arrives as they say it: rules, calendar, limits, maintenance, patience, channels,
//! the drill.

use stead_core::desired::{CANARY, Channel, Days, Fleet, Hours, Ping, Says, ServiceKind, Window};
use stead_core::ids::{NodeName, ServiceName};
use stead_core::time::Span;
use stead_fleet::{Options, Tree, load};

const STEAD: &str = r#"
policy:
  automatic: { max_level: 1 }
  calendar:
    timezone: Europe/Warsaw
    business: "Mon-Fri 08:00-16:00"
    holidays: [2026-12-25, 2026-12-26, 2026-12-25]
  rules:
    - { match: { service: db }, automatic: false, hours: business }
    - { match: { action: container_restart, service: "*" }, earn: 5, days: Mon-Fri, between: "22:00-06:00" }
    - { match: { action: container_restart, service: "*" }, max_level: 2, days: [Sat, Sun], hours: outside-business }
    - { match: { action: "re*" }, automatic: true }
  limits: { concurrent: 6, concurrent_per_node: 2, mass_drift: 40%, mass_drift_large: 10% }
channels:
  hook:
    webhook: { url: "http://10.1.2.3/", secret: "secret:hook", allow: [10.0.0.0/8, "fd00::1"], headers: { x-from: stead } }
  phone: { ntfy: { url: "https://ntfy.example.org", topic: home } }
routes:
  - { name: all, match: { kind: "*" }, to: [hook, phone] }
  - { name: critical, match: { severity: critical, labels: { site: home } }, to: [hook] }
  - { name: quiet, match: { severity: critical }, to: [hook], ping: outside-business-hours }
  - { name: phone, match: { kind: "*" }, to: [phone] }
drill: { node: piha, image: "busybox:1", command: [sleep, infinity], schedule: "0 5 * * *", within: 45s }
"#;

fn fleet() -> Fleet {
    let services =
        "services:\n  db: { kind: container, patience: { failures: 2, time: 5s, start: 90s } }\n";
    let node = "maintenance: [ \"Sun 03:00-05:00 Europe/Warsaw\", \"23:30-00:30\" ]\n";
    let tree = Tree::from_files([
        ("stead.yaml", STEAD),
        ("hosts/piha/node.yaml", node),
        ("hosts/piha/services.yaml", services),
    ]);
    let loaded = load(&tree, &Options::default());
    assert_eq!(loaded.problems, []);
    loaded.fleet.expect("a fleet")
}

fn piha() -> NodeName {
    NodeName::new("piha").expect("name")
}

#[test]
fn rules_say_one_thing_at_their_times() {
    let policy = fleet().policy;
    let says: Vec<Says> = policy.rules.iter().map(|r| r.says).collect();
    assert_eq!(
        says,
        [
            Says::Automatic(false),
            Says::Earn(5),
            Says::MaxLevel(2),
            Says::Automatic(true)
        ]
    );
    assert_eq!(policy.rules[0].hours, Some(Hours::Business));
    assert_eq!(policy.rules[1].days, Some(Days::WEEKDAYS));
    assert_eq!(policy.rules[2].days, Some(Days(0b110_0000)));
    assert_eq!(policy.rules[2].hours, Some(Hours::OutsideBusiness));
    assert_eq!(policy.limits.concurrent_per_node, 2);
    assert_eq!(policy.limits.mass_drift, 40.0);
    assert_eq!(policy.limits.mass_drift_large, 10.0);
}

#[test]
fn the_calendar_has_its_zone_its_hours_and_each_holiday_once() {
    let calendar = fleet().policy.calendar;
    assert_eq!(calendar.timezone.as_deref(), Some("Europe/Warsaw"));
    let hours = Window { from: 480, to: 960 };
    assert_eq!((calendar.days, calendar.business), (Days::WEEKDAYS, hours));
    assert_eq!(calendar.holidays, [20_812, 20_813]);
    assert!(!calendar.is_business(20_812, 600), "Christmas Day");
}

#[test]
fn maintenance_and_the_start_period_reach_their_node() {
    let fleet = fleet();
    let node = &fleet.nodes[&piha()];
    let sunday = &node.maintenance[0];
    assert_eq!(sunday.days, Days(0b100_0000));
    assert_eq!(sunday.timezone.as_deref(), Some("Europe/Warsaw"));
    assert_eq!(node.maintenance[1].days, Days::EVERY);
    let patience = node.services["db"].patience;
    assert_eq!((patience.failures, patience.start), (2, Span::secs(90)));
}

#[test]
fn channels_that_can_be_delivered_to_and_their_routes_enter_the_fleet() {
    let fleet = fleet();
    let Some(Channel::Webhook(hook)) = fleet.channels.get("hook") else {
        panic!("{:?}", fleet.channels)
    };
    assert_eq!(hook.allow, ["10.0.0.0/8", "fd00::1"]);
    assert_eq!(hook.headers["x-from"], "stead");
    assert_eq!(fleet.channels.len(), 1);
    let routes: Vec<_> = fleet
        .routes
        .iter()
        .map(|r| (r.name.as_str(), r.to.len(), r.ping))
        .collect();
    assert_eq!(
        routes,
        [
            ("all", 1, Ping::Never),
            ("critical", 1, Ping::Always),
            ("quiet", 1, Ping::OutsideBusinessHours)
        ]
    );
    let said = fleet.notices.join("\n");
    assert!(said.contains("channels that are no webhook (1)"), "{said}");
    assert!(said.contains("routes to such channels alone (1)"), "{said}");
}

#[test]
fn the_drill_brings_its_canary_along() {
    let fleet = fleet();
    let drill = fleet.drill.as_ref().expect("a drill");
    assert_eq!(drill.schedule.as_deref(), Some("0 5 * * *"));
    assert_eq!(drill.within, Span::secs(45));
    let name = ServiceName::new(CANARY).expect("name");
    let canary = fleet.service(&piha(), &name).expect("the canary");
    assert!(
        matches!(&canary.kind, ServiceKind::Container { definition: Some(d), .. } if d.image == "busybox:1")
    );
}

#[test]
fn rules_that_only_look_alike_do_not_contradict_each_other() {
    for rules in [
        // The exception before the rule.
        "[{match: {service: db}, automatic: false}, {match: {service: \"*\"}, automatic: true}]",
        // The first one holds for less time.
        "[{match: {service: \"*\"}, automatic: true, between: \"22:00-06:00\"}, {match: {service: db}, automatic: false}]",
        "[{match: {service: \"*\"}, automatic: true, days: Mon-Fri}, {match: {service: db}, automatic: false}]",
        "[{match: {service: \"*\"}, automatic: true, hours: business}, {match: {service: db}, automatic: false}]",
        // It matches less.
        "[{match: {action: container_restart, service: \"*\"}, automatic: true}, {match: {service: db}, automatic: false}]",
        "[{match: {service: \"d*\"}, automatic: true}, {match: {node: piha}, automatic: false}]",
        // It says the same.
        "[{match: {service: \"*\"}, automatic: true}, {match: {service: db}, automatic: true}]",
        // Never above what is automatic anyway, which is no contradiction.
        "[{match: {service: \"*\"}, max_level: 0}]",
    ] {
        let tree = Tree::from_files([
            ("stead.yaml", format!("policy: {{rules: {rules}}}\n")),
            (
                "hosts/piha/services.yaml",
                "services: {db: {kind: external}}\n".to_owned(),
            ),
        ]);
        assert_eq!(load(&tree, &Options::default()).problems, [], "{rules}");
    }
}

#[test]
fn samples_are_kept_read_and_sent_as_the_file_says() {
    let stead = r#"
history: { record: false, tiers: [{ step: 30s, keep: 14d }, { step: 10m, keep: 365d }] }
prometheus:
  read:
    url: "http://10.0.0.2:9090/"
    username: stead
    password: "secret:prom"
    label: host
    nodes: { "10.0.0.5": piha }
  remote_write:
    - { url: "https://vm.example.org/api/v1/write", token: "secret:vm" }
"#;
    let tree = Tree::from_files([("stead.yaml", stead), ("hosts/piha/node.yaml", "")]);
    let loaded = load(&tree, &Options::default());
    assert_eq!(loaded.problems, []);
    let fleet = loaded.fleet.expect("a fleet");
    let metrics = &fleet.metrics;
    let tiers: Vec<_> = metrics.tiers.iter().map(|t| (t.step, t.keep)).collect();
    let minutes = Span::mins(10);
    assert_eq!(
        tiers,
        [(Span::secs(30), Span::days(14)), (minutes, Span::days(365))]
    );
    assert!(!metrics.record);
    let read = metrics.read.as_ref().expect("a source");
    assert_eq!(
        (read.door.url.as_str(), read.label.as_str()),
        ("http://10.0.0.2:9090", "host")
    );
    assert_eq!(read.door.password.as_deref(), Some("secret:prom"));
    assert_eq!(read.nodes["10.0.0.5"], piha());
    assert_eq!(metrics.remote_write[0].token.as_deref(), Some("secret:vm"));
    let text = serde_json::to_string(&fleet).expect("serialises");
    assert_eq!(serde_json::from_str::<Fleet>(&text).expect("reads"), fleet);
    let silent = serde_json::to_string(&Fleet::default()).expect("serialises");
    assert!(
        !silent.contains("metrics"),
        "a fleet without it keeps its digest"
    );
}
