//! One line of bad input for each code: where it is reported and what the remedy says.

use std::collections::BTreeSet;

use stead_fleet::{Code, Loaded, Options, Tree, load};

const SERVICES: &str = "hosts/piha/services.yaml";
const NODE: &str = "hosts/piha/node.yaml";
const JOBS: &str = "hosts/piha/jobs.yaml";
const RUNBOOK: &str = "runbooks/r.yaml";
const STEAD: &str = "stead.yaml";

struct Bad {
    file: &'static str,
    text: &'static str,
    code: &'static str,
    at: (u32, u32),
    /// Must be in message or help.
    says: &'static str,
}

const fn bad(
    file: &'static str,
    text: &'static str,
    code: &'static str,
    at: (u32, u32),
    says: &'static str,
) -> Bad {
    Bad {
        file,
        text,
        code,
        at,
        says,
    }
}

/// Each with a sound `stead.yaml` and node `piha` around it.
const TABLE: &[Bad] = &[
    // YAML
    bad(
        SERVICES,
        "services:\n  web: [1, 2\n  db: 3\n",
        "yaml-syntax",
        (3, 5),
        "brackets",
    ),
    bad(
        SERVICES,
        "services: {}\n---\nservices: {}\n",
        "yaml-documents",
        (3, 1),
        "---",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external}\n  a: {kind: external}\n",
        "duplicate-key",
        (3, 3),
        "first on line 2",
    ),
    bad(
        SERVICES,
        "services: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
        "yaml-limits",
        (1, 42),
        "nesting",
    ),
    // Shape
    bad(
        SERVICES,
        "service: {}\n",
        "unknown-key",
        (1, 1),
        "`services`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, cheks: []}\n",
        "unknown-key",
        (2, 23),
        "`checks`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, depends_on: [b]}\n",
        "unknown-key",
        (2, 24),
        "`needs`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {}\n",
        "missing-key",
        (2, 3),
        "kind: container|compose",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: systemd}\n",
        "missing-key",
        (2, 3),
        "unit: NAME.service",
    ),
    bad(SERVICES, "services:\n  a:\n", "missing-key", (2, 3), "kind"),
    bad(
        SERVICES,
        "services:\n  - a\n",
        "wrong-type",
        (2, 3),
        "`key: value`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, monitor: no}\n",
        "wrong-type",
        (2, 32),
        "write false",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{tcp: {port: \"22\"}}]}\n",
        "wrong-type",
        (2, 45),
        "remove the quotes",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: systemd, unit: 7}\n",
        "wrong-type",
        (2, 28),
        "quotes",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: systemd, unit: }\n",
        "wrong-type",
        (2, 22),
        "remove the key",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: contianer}\n",
        "unknown-word",
        (2, 13),
        "`container`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{tcp: {port: 70000}}]}\n",
        "out-of-range",
        (2, 45),
        "65535",
    ),
    bad(
        STEAD,
        "policy: {automatic: {max_level: 3}}\n",
        "bad-level",
        (1, 33),
        "level 3 is never automatic",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, max_level: 7}]}\n",
        "bad-level",
        (1, 51),
        "there is no level 7",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, earn: 99}]}\n",
        "out-of-range",
        (1, 46),
        "1 to 32",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{icmp: {host: h, every: 1ms}}]}\n",
        "out-of-range",
        (2, 56),
        "200ms",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, patience: {time: ten}}\n",
        "bad-duration",
        (2, 40),
        "10s",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, mem_limit: 64q}\n",
        "bad-size",
        (2, 45),
        "64m",
    ),
    bad(
        NODE,
        "thresholds: {disk: {warn: 170%}}\n",
        "bad-percent",
        (1, 27),
        "0 to 100",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, automatic: true, between: 22-7}]}\n",
        "bad-window",
        (1, 66),
        "22:00-07:00",
    ),
    bad(
        NODE,
        "maintenance: [\"Someday 03:00-05:00\"]\n",
        "bad-maintenance",
        (1, 15),
        "Sun",
    ),
    bad(
        JOBS,
        "jobs: {a: {run: [x], schedule: \"61 * * * *\"}}\n",
        "bad-schedule",
        (1, 32),
        "minute",
    ),
    // Names
    bad(
        SERVICES,
        "services:\n  a: {kind: container, container: ../x}\n",
        "bad-name",
        (2, 35),
        "container name",
    ),
    bad(
        SERVICES,
        "services:\n  ../a: {kind: external}\n",
        "bad-name",
        (2, 3),
        "service name",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, container: -rf}\n",
        "leading-dash",
        (2, 35),
        "starts with '-'",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{icmp: {host: -f}}]}\n",
        "leading-dash",
        (2, 46),
        "option",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: compose, path: srv/a}\n",
        "bad-path",
        (2, 28),
        "starting with `/`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: compose, path: /srv/../etc}\n",
        "bad-path",
        (2, 28),
        "`..`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, node: pi-ha}\n",
        "unknown-node",
        (2, 29),
        "`piha`",
    ),
    bad(
        STEAD,
        "aliases: {old: pihaa}\n",
        "unmatched-node",
        (1, 16),
        "`piha`",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: nobody}, automatic: true}]}\n",
        "unmatched-node",
        (1, 33),
        "no node matches",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {service: web}, automatic: true}]}\n",
        "unmatched-service",
        (1, 36),
        "service",
    ),
    bad(
        STEAD,
        "aliases: {piha: other}\n",
        "alias-shadows",
        (1, 11),
        "folder",
    ),
    bad(
        STEAD,
        "aliases: {a: b, b: piha}\n",
        "alias-chain",
        (1, 14),
        "`a: piha`",
    ),
    bad(STEAD, "aliases: {a: a}\n", "alias-chain", (1, 11), "itself"),
    // Services
    bad(
        SERVICES,
        "services:\n  a: {kind: container, unit: x}\n",
        "key-not-for-kind",
        (2, 24),
        "systemd",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, mem_limit: 64m}\n",
        "image-missing",
        (2, 24),
        "image",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: \"a b\"}\n",
        "bad-image",
        (2, 31),
        "NAME[:TAG]",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, ports: [\"http:80\"]}\n",
        "bad-port",
        (2, 42),
        "127.0.0.1:8080:80",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, volumes: [\"./data:/data\"]}\n",
        "bad-volume",
        (2, 44),
        "absolute",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, volumes: [\"/srv/../etc:/data\"]}\n",
        "bad-path",
        (2, 44),
        "..",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, restart: allways}\n",
        "bad-restart",
        (2, 43),
        "`always`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, environment: [FOO]}\n",
        "bad-environment",
        (2, 48),
        "FOO=value",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, command: \"say 'hi\"}\n",
        "bad-command",
        (2, 43),
        "quote",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, image: x, command: \"a | b\"}\n",
        "shell-syntax",
        (2, 43),
        "[sh, -c",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, needs: [b]}\n",
        "unknown-service",
        (2, 31),
        "does not have",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, needs: [other/b]}\n",
        "unknown-service",
        (2, 31),
        "same node",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, needs: [b]}\n  b: {kind: external, needs: [a]}\n",
        "needs-cycle",
        (3, 31),
        "a → b → a",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: container, container: x}\n  b: {kind: container, container: x}\n",
        "claimed-twice",
        (3, 24),
        "`a` and `b`",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: systemd, unit: x}\n  b: {kind: systemd, unit: x.service}\n",
        "claimed-twice",
        (3, 22),
        "unit",
    ),
    bad(
        NODE,
        "thresholds: {disk: {warn: 90%}}\n",
        "threshold-order",
        (1, 27),
        "85% (the default)",
    ),
    // Checks
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{}]}\n",
        "one-probe",
        (2, 32),
        "http",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{tcp: {port: 1}, icmp: {host: h}}]}\n",
        "one-probe",
        (2, 49),
        "list item",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{tcp: {port: 1, name: x}}, {tcp: {port: 2, name: x}}]}\n",
        "duplicate-check",
        (2, 81),
        "name of its own",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{http: {url: \"file:///etc/shadow\"}}]}\n",
        "url-scheme",
        (2, 45),
        "http://",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{http: {url: \"gopher://x\"}}]}\n",
        "url-scheme",
        (2, 45),
        "https",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{http: {url: \"localhost:80/x\"}}]}\n",
        "bad-url",
        (2, 45),
        "http://localhost:80/x",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{http: {url: \"http://h:99999/\"}}]}\n",
        "bad-url",
        (2, 45),
        "port",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{tcp: {host: \"a/b\", port: 1}}]}\n",
        "bad-host",
        (2, 45),
        "without scheme",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{http: {url: \"http://h/\", headers: {\"a b\": c}}}]}\n",
        "bad-header",
        (2, 68),
        "name: value",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{log: {unit: x, pattern: \"(\"}}]}\n",
        "bad-pattern",
        (2, 57),
        "regular expression",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{icmp: {host: h, every: 1s, timeout: 9s}}]}\n",
        "timeout-too-long",
        (2, 69),
        "shorter",
    ),
    bad(
        SERVICES,
        "services:\n  a: {kind: external, checks: [{mqtt: {password: hunter2}}]}\n",
        "plain-secret",
        (2, 50),
        "secret:NAME",
    ),
    // Policy, jobs, channels, runbooks
    bad(
        STEAD,
        "policy: {rules: [{match: {}, automatic: true}]}\n",
        "empty-match",
        (1, 19),
        "matches everything",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {action: container_restrat}, automatic: true}]}\n",
        "unknown-action",
        (1, 35),
        "`container_restart`",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {action: destroy}, automatic: true}]}\n",
        "destructive-automatic",
        (1, 35),
        "always asked",
    ),
    bad(
        STEAD,
        "policy: {repairs: [{drift: unhealthy_service, trigger: mqtt_unreachabel, action: none}]}\n",
        "unknown-trigger",
        (1, 56),
        "`mqtt_unreachable`",
    ),
    bad(
        STEAD,
        "policy: {repairs: [{drift: unhealthy, action: none}]}\n",
        "unknown-drift",
        (1, 28),
        "unhealthy_service",
    ),
    bad(
        STEAD,
        "routes: [{name: r, match: {severity: critical}, to: [nobody]}]\n",
        "unknown-channel",
        (1, 54),
        "channels",
    ),
    bad(STEAD, "channels: {c: {}}\n", "one-of", (1, 12), "discord"),
    bad(
        JOBS,
        "jobs: {a: {schedule: \"@daily\"}}\n",
        "one-of",
        (1, 8),
        "run",
    ),
    bad(
        RUNBOOK,
        "steps: [{name: a, action: redploy}]\n",
        "unknown-action",
        (1, 27),
        "`redeploy`",
    ),
    bad(
        RUNBOOK,
        "steps: [{name: a, node: pihaa, wait: 1s}]\n",
        "unknown-node",
        (1, 25),
        "`piha`",
    ),
    // Policy that contradicts itself, and times that are none
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}}]}\n",
        "rule-answer",
        (1, 18),
        "none of `automatic`, `max_level` and `earn`",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, automatic: true, earn: 3}]}\n",
        "rule-answer",
        (1, 57),
        "`automatic` and `earn` at once",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, days: Someday, automatic: true}]}\n",
        "bad-days",
        (1, 46),
        "Mon-Fri",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, days: [Mon, Tu], automatic: true}]}\n",
        "bad-days",
        (1, 52),
        "\"Tu\"",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, days: [], automatic: true}]}\n",
        "empty-window",
        (1, 46),
        "never holds",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, between: \"07:00-07:00\", automatic: true}]}\n",
        "empty-window",
        (1, 49),
        "00:00-24:00",
    ),
    bad(
        STEAD,
        "policy: {calendar: {business: \"Mon-Fri 09:00-09:00\"}}\n",
        "empty-window",
        (1, 31),
        "same minute",
    ),
    bad(
        STEAD,
        "policy: {calendar: {business: weekdays}}\n",
        "bad-business-hours",
        (1, 31),
        "Mon-Fri 09:00-17:00",
    ),
    bad(
        STEAD,
        "policy: {calendar: {holidays: [2026-02-30]}}\n",
        "bad-date",
        (1, 32),
        "2026-12-25",
    ),
    bad(
        STEAD,
        "policy: {calendar: {timezone: Europe/Warszawa}}\n",
        "unknown-timezone",
        (1, 31),
        "Europe/Warsaw",
    ),
    bad(
        NODE,
        "maintenance: [\"Sun 03:00-05:00 Europe/Atlantis\"]\n",
        "unknown-timezone",
        (1, 15),
        "Atlantis",
    ),
    bad(
        NODE,
        "maintenance: [\"Sun 03:00-03:00\"]\n",
        "empty-window",
        (1, 15),
        "same minute",
    ),
    bad(
        NODE,
        "maintenance: [\"Sat 22:00-04:00\", \"Sun 03:00-05:00\"]\n",
        "overlapping-windows",
        (1, 34),
        "time in common",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {action: \"*_restart\"}, automatic: false}, \
         {match: {action: unit_restart, node: piha}, automatic: true}]}\n",
        "rule-never-applies",
        (1, 68),
        "policy.rules[0] matches all of it and says `automatic: false`",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: \"*\"}, max_level: 2, between: \"20:00-08:00\"}, \
         {match: {node: piha}, earn: 5, between: \"22:00-06:00\", days: [Sun]}]}\n",
        "rule-never-applies",
        (1, 78),
        "not `earn: 5`",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {node: piha}, automatic: true, hours: business, between: \"22:00-06:00\"}]}\n",
        "rule-never-applies",
        (1, 18),
        "no minute in common",
    ),
    bad(
        STEAD,
        "policy: {limits: {concurrent: 2, concurrent_per_node: 3}}\n",
        "limits-contradict",
        (1, 55),
        "for the whole fleet, is 2",
    ),
    bad(
        STEAD,
        "policy: {limits: {concurrent_per_node: 9}}\n",
        "limits-contradict",
        (1, 40),
        "4 (the default)",
    ),
    bad(
        STEAD,
        "policy: {rules: [{match: {action: \"destr*\"}, earn: 3}]}\n",
        "destructive-automatic",
        (1, 35),
        "always asked",
    ),
    // Channels and the drill
    bad(
        STEAD,
        "channels: {hook: {webhook: {url: \"http://10.0.0.1/\", allow: [\"10.0.0.0/33\"]}}}\n",
        "bad-network",
        (1, 62),
        "192.168.0.0/16",
    ),
    bad(
        STEAD,
        "drill: {node: pihaa, image: \"busybox:1\"}\n",
        "unknown-node",
        (1, 15),
        "`piha`",
    ),
    bad(
        STEAD,
        "drill: {node: piha, image: \"busybox:1\", schedule: \"0 0 30 2 *\"}\n",
        "schedule-never",
        (1, 51),
        "ever comes",
    ),
    bad(
        STEAD,
        "drill: {node: piha, image: \"busybox:1\", schedule: hourly}\n",
        "bad-schedule",
        (1, 51),
        "five fields",
    ),
    bad(
        STEAD,
        "drill: {node: piha, image: \"busybox:1\", within: 0s}\n",
        "out-of-range",
        (1, 49),
        "60s",
    ),
    // The page for everybody
    bad(
        STEAD,
        "status_page: {enabled: true, services: \"label:team\"}\n",
        "bad-selector",
        (1, 40),
        "service",
    ),
    // Samples
    bad(
        STEAD,
        "history: {tiers: [{step: 10s, keep: 7d}, {step: 25s, keep: 30d}]}\n",
        "bad-tiers",
        (1, 49),
        "whole multiple",
    ),
    bad(
        STEAD,
        "history: {record: false}\n",
        "nothing-records",
        (1, 19),
        "prometheus.read",
    ),
    bad(
        STEAD,
        "prometheus: {read: {url: \"http://p:9090\", nodes: {\"10.0.0.5\": pihaa}}}\n",
        "unknown-node",
        (1, 63),
        "`piha`",
    ),
    bad(
        STEAD,
        "prometheus: {remote_write: [{url: \"http://p/api/v1/write\", token: hunter2}]}\n",
        "plain-secret",
        (1, 67),
        "secret:NAME",
    ),
    bad(
        STEAD,
        "loki: {token: \"secret:loki\"}\n",
        "missing-key",
        (1, 1),
        "url",
    ),
    bad(
        STEAD,
        "loki: {url: \"http://l:3100\", labels: {node: \"my host\"}}\n",
        "bad-name",
        (1, 45),
        "letters",
    ),
    bad(
        STEAD,
        "loki: {url: \"http://l:3100\", tenant: \"a b\"}\n",
        "bad-name",
        (1, 38),
        "spaces",
    ),
    bad(
        STEAD,
        "loki: {url: \"http://l:3100\", nodes: {nas.lan: pihaa}}\n",
        "unknown-node",
        (1, 47),
        "`piha`",
    ),
    bad(
        STEAD,
        "drill: {node: piha}\n",
        "missing-key",
        (1, 1),
        "image",
    ),
];

fn around(file: &str, text: &[u8]) -> Tree {
    let mut files = vec![(STEAD, b"fleet: home\n".to_vec()), (NODE, Vec::new())];
    files.retain(|(path, _)| *path != file);
    files.push((file, text.to_vec()));
    Tree::from_files(files)
}

fn loaded(file: &str, text: &[u8]) -> Loaded {
    load(&around(file, text), &Options::default())
}

#[test]
fn each_mistake_is_named_with_its_place_and_its_remedy() {
    let mut wrong = Vec::new();
    for Bad {
        file,
        text,
        code,
        at,
        says,
    } in TABLE
    {
        let loaded = loaded(file, text.as_bytes());
        let fits = loaded.problems.iter().any(|p| {
            p.file == *file
                && p.code.as_str() == *code
                && (p.line, p.column) == *at
                && (p.message.contains(says) || p.help.contains(says))
        });
        if !fits || loaded.problems.len() != 1 {
            let found: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
            wrong.push(format!(
                "{text}  wanted {code} at {at:?} saying {says:?}\n  found {found:#?}"
            ));
        }
        let is_error = loaded.problems.iter().any(|p| p.is_error());
        if loaded.fleet.is_none() != is_error {
            wrong.push(format!("{text}  a fleet beside an error, or none without"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn problems_of_several_files_and_services_come_all_at_once() {
    let tree = Tree::from_files([
        (STEAD, "flet: x\npolicy: {automatic: {max_level: 9}}\n"),
        (NODE, "acces: operator\n"),
        (
            SERVICES,
            "services:\n  a: {kind: contianer}\n  b: {kind: compose, path: x}\n  c: {kind: external, needs: [z]}\n",
        ),
    ]);
    let loaded = load(&tree, &Options::default());
    let codes: Vec<&str> = loaded.problems.iter().map(|p| p.code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "unknown-key",
            "unknown-word",
            "bad-path",
            "unknown-service",
            "unknown-key",
            "bad-level"
        ],
        "{:#?}",
        loaded.problems
    );
}

#[test]
fn mistakes_between_files() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (&[(NODE, "")], "no-stead-yaml", "stead init"),
        (&[(STEAD, "")], "no-nodes", "nothing is desired"),
        (
            &[(STEAD, ""), ("hosts/piha/node.yml", ""), (NODE, "")],
            "duplicate-file",
            "keep one",
        ),
        (
            &[(STEAD, ""), (NODE, ""), ("hosts/piha/service.yaml", "")],
            "unknown-file",
            "`services.yaml`",
        ),
        (
            &[
                (STEAD, ""),
                (NODE, ""),
                ("hosts/other/compose.yml", ""),
                ("hosts/other/nod.yaml", ""),
            ],
            "empty-node",
            "other",
        ),
        (
            &[(STEAD, ""), ("hosts/-x/node.yaml", "")],
            "bad-name",
            "rename",
        ),
        (
            &[
                (STEAD, ""),
                ("hosts/a/services.yaml", "services: {b-c: {kind: external}}"),
                ("hosts/a-b/services.yaml", "services: {c: {kind: external}}"),
            ],
            "action-collision",
            "redeploy-a-b-c",
        ),
        (
            &[
                (STEAD, ""),
                (NODE, ""),
                (
                    "hosts/b/services.yaml",
                    "services: {c: {kind: external, node: piha}}",
                ),
            ],
            "wrong-node",
            "hosts/piha/services.yaml",
        ),
        (
            &[
                (STEAD, "drill: {node: piha, image: b}"),
                (NODE, "access: inspector"),
            ],
            "drill-on-inspector",
            "access: operator",
        ),
        (
            &[
                (STEAD, "drill: {node: piha, image: b}"),
                (SERVICES, "services: {stead-canary: {kind: external}}"),
            ],
            "drill-name-taken",
            "only Stead makes stead-canary",
        ),
        (
            &[
                (STEAD, "drill: {node: piha, image: b}"),
                (
                    SERVICES,
                    "services: {web: {kind: container, container: stead-canary}}",
                ),
            ],
            "drill-name-taken",
            "service `web`",
        ),
    ];
    for (files, code, says) in cases {
        let loaded = load(
            &Tree::from_files(files.iter().copied()),
            &Options::default(),
        );
        let problem = loaded.problems.iter().find(|p| p.code.as_str() == *code);
        let problem = problem.unwrap_or_else(|| panic!("{code}: {:?}", loaded.problems));
        assert!(
            problem.message.contains(says) || problem.help.contains(says),
            "{problem:?}"
        );
    }
}

#[test]
fn aliases_in_a_circle_are_each_named() {
    let loaded = loaded(STEAD, b"aliases: {a: b, b: a}\n");
    let found: Vec<_> = loaded
        .problems
        .iter()
        .map(|p| (p.code, p.column, p.help.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Code::AliasChain, 14, "break the circle"),
            (Code::AliasChain, 20, "break the circle")
        ]
    );
}

#[test]
fn text_that_is_no_utf8_names_its_line() {
    let loaded = loaded(SERVICES, b"services:\n  a: \xff\n");
    assert_eq!(loaded.problems[0].code, Code::NotUtf8);
    assert!(loaded.problems[0].message.contains("line 2"));
    assert!(loaded.fleet.is_none());
}

#[test]
fn the_alias_map_of_the_environment_is_laid_over_the_file() {
    let tree = Tree::from_files([
        (STEAD, "aliases: {old: piha}\n"),
        (NODE, ""),
        ("hosts/b/node.yaml", ""),
    ]);
    let with = |json: &str| {
        load(
            &tree,
            &Options {
                node_alias_map: Some(json.to_owned()),
            },
        )
    };

    let loaded = with("{\"older\": \"b\"}");
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.fleet.expect("a fleet").aliases.len(), 2);

    let loaded = with("{\"old\": \"b\"}");
    assert_eq!(loaded.problems[0].code, Code::AliasOverridden);
    let old = stead_core::ids::NodeName::new("old").expect("name");
    assert_eq!(loaded.fleet.expect("a fleet").aliases[&old], "b");

    let loaded = with("{\"old\": ");
    assert_eq!(
        (loaded.problems[0].code, loaded.problems[0].file.as_str()),
        (Code::BadAliasMap, "NODE_ALIAS_MAP")
    );
    assert!(loaded.fleet.is_none());
    assert_eq!(with("  ").problems, []);
}

#[test]
fn every_code_is_shown_by_a_test() {
    // Beside the table: those that need more than one line of text, each tested by name in this folder.
    let elsewhere = [
        "no-stead-yaml",
        "no-nodes",
        "symlink",
        "not-a-file",
        "unreadable",
        "file-too-large",
        "unknown-file",
        "duplicate-file",
        "empty-node",
        "too-many-problems",
        "not-utf8",
        "wrong-node",
        "alias-overridden",
        "bad-alias-map",
        "action-collision",
        "drill-on-inspector",
        "drill-name-taken",
        // Only a policy on trial can lack it: `load/trial` in the crate.
        "no-policy",
        // Needs 50,001 files or 256 MiB: `a_tree_is_bounded` in the crate.
        "tree-too-large",
    ];
    let shown: BTreeSet<&str> = TABLE.iter().map(|b| b.code).chain(elsewhere).collect();
    let all: BTreeSet<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(
        all.symmetric_difference(&shown).collect::<Vec<_>>(),
        Vec::<&&str>::new()
    );
}

#[test]
fn empty_means_none_and_is_no_mistake() {
    for (file, text) in [
        (SERVICES, ""),
        (SERVICES, "services:\n"),
        (SERVICES, "services: {}\n"),
        (STEAD, "# nothing\n"),
        (STEAD, "policy:\naliases:\nroutes:\n"),
        (JOBS, "jobs:\n"),
        (NODE, "labels:\nmaintenance:\n"),
        (
            SERVICES,
            "x-default: &d {failures: 5}\nservices:\n  a: {kind: external, patience: *d, needs: , checks: }\n",
        ),
    ] {
        let loaded = loaded(file, text.as_bytes());
        assert_eq!(loaded.problems, [], "{text:?}");
        assert!(loaded.fleet.is_some());
    }
}

#[test]
fn what_compose_accepts_is_accepted() {
    let text = "services:
  a:
    kind: container
    image: registry.local:5000/team/app:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    command: 'run --name \"two words\"'
    ports: [80, \"8080:80\", \"127.0.0.1:8443:443/tcp\", \"[::1]:53:53/udp\"]
    volumes: [\"data:/data\", \"/srv/x:/x:ro\"]
    environment: { PORT: 8080, VERSION: 1.10, DEBUG: false, EMPTY: \"\" }
    labels: [\"a.b=c=d\"]
    restart: no
    user: 1000
    mem_limit: 64m
";
    let loaded = loaded(SERVICES, text.as_bytes());
    assert_eq!(loaded.problems, []);
    let fleet = loaded.fleet.expect("a fleet");
    let service = fleet
        .nodes
        .values()
        .next()
        .and_then(|n| n.services.values().next())
        .expect("a service");
    let stead_core::desired::ServiceKind::Container {
        definition: Some(def),
        ..
    } = &service.kind
    else {
        panic!()
    };
    assert_eq!(def.command.as_deref().expect("command")[2], "two words");
    assert_eq!(def.ports[0], "80");
    assert_eq!(def.environment["VERSION"], "1.10");
    assert_eq!(def.environment["DEBUG"], "false");
    assert_eq!(def.labels["a.b"], "c=d");
    assert_eq!(def.restart.as_deref(), Some("no"));
    assert_eq!(def.user.as_deref(), Some("1000"));
}
