//! Loki's adapter against a server that answers as the reference of its interface says. Needs no lab.
//!
//! Each answer of the stand-in must be valid by the published description, and each question may have only the parameters that
//! stand there. The stand-in does not understand LogQL: which streams a question means is told to it by the test, but for the labels that a stream must have.

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use server::{Mood, Server};
use stead_adapters::loki::{Answer, Error, Loki, Of, Wanted};
use stead_adapters::names::Names;
use stead_core::desired::{self, Door, LokiLabels};
use stead_core::ids::NodeName;
use stead_core::time::Time;
use stead_ports::clock::SystemClock;
use stead_ports::secrets::{Secret, Secrets, Unavailable};
use tokio::time::Instant;

#[derive(Debug)]
struct Known;

impl Secrets for Known {
    fn secret(&self, name: &str) -> Result<Secret, Unavailable> {
        match name {
            "loki" => Ok(Secret::new("hunter2")),
            _ => Err(Unavailable(format!("there is no secret {name:?}"))),
        }
    }
}

fn node(text: &str) -> NodeName {
    text.parse().expect("a node")
}

fn desired(url: &str) -> desired::Loki {
    desired::Loki {
        door: Door::open(url.to_owned()),
        tenant: None,
        labels: LokiLabels::default(),
        nodes: BTreeMap::from([("nas.lan".to_owned(), node("attic"))]),
    }
}

fn loki(of: &desired::Loki) -> Loki {
    let names = Names::new(&[node("piha"), node("attic")], &BTreeMap::new(), &of.nodes);
    let clock = Arc::new(SystemClock::new());
    Loki::new(of, names, Arc::new(Known), clock).expect("an adapter")
}

fn wanted(text: &str) -> Wanted {
    Wanted {
        text: Some(text.to_owned()),
        nodes: [node("piha"), node("attic")].into(),
        containers: Some(vec![]),
        units: Some(vec![]),
        from: Time(1_795_000_000_000),
        to: Time(1_795_003_600_000),
        most: 100,
    }
}

fn stream(labels: Value, values: &[(&str, &str)]) -> Value {
    let values: Vec<Value> = values.iter().map(|(at, text)| json!([at, text])).collect();
    json!({"stream": labels, "values": values})
}

async fn searched(url: &str, text: &str) -> Result<Answer, Error> {
    loki(&desired(url)).search(&wanted(text)).await
}

#[tokio::test]
async fn lines_of_the_fleet_are_read_in_order_whatever_order_they_come_in() {
    let web = json!({"host": "piha", "container": "/web", "stream": "stderr"});
    let (server, url) = Server::start(vec![
        stream(web, &[("1795000003000000009", "refused three"), ("1795000001000000000", "refused one"), ("99999999999999999999999", "refused")]),
        stream(json!({"host": "nas.lan:9100", "unit": "ssh.service", "level": "info"}), &[("1795000002000000000", "Refused two password=hunter2")]),
        stream(json!({"host": "piha", "filename": "/var/log/x.log"}), &[("1795000004000000000", "refused four")]),
        stream(json!({"host": "a-stranger", "container": "x"}), &[("1795000005000000000", "refused of no node")]),
        json!({"stream": {"host": "piha", "container": "db"}, "values": [["1795000006000000000", "refused six", {"trace_id": "1"}]]}),
        stream(json!({"host": "piha", "container": "masked"}), &[("1795000007000000000", "token=refused")]),
    ])
    .await;
    let answer = searched(&url, "REFUSED").await.expect("an answer");
    let told: Vec<_> = answer
        .lines
        .iter()
        .map(|l| (l.node.as_str(), l.of.clone(), l.error, l.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("piha", Of::Container("web".into()), true, "refused one"),
            (
                "attic",
                Of::Unit("ssh.service".into()),
                false,
                "Refused two password=***"
            ),
            ("piha", Of::Container("web".into()), true, "refused three"),
            (
                "piha",
                Of::Other("/var/log/x.log".into()),
                false,
                "refused four"
            ),
            ("piha", Of::Container("db".into()), false, "refused six"),
        ],
        "a secret is not found by guessing at it"
    );
    assert_eq!(answer.lines[2].at, "2026-11-18T11:06:43.000000009Z");
    assert_eq!(answer.limits, Vec::<String>::new());
    let questions = server.questions();
    assert_eq!(
        questions,
        ["{host=~\"(?:nas\\\\.lan:9100|piha)\"} |~ \"(?i)REFUSED\""],
        "one question where everything is wanted"
    );
    let (_, query, _) = &server.asked()[2];
    assert_eq!(
        (query["start"].as_str(), query["direction"].as_str()),
        ("1795000000000000000", "backward")
    );
}

#[tokio::test]
async fn only_what_is_named_is_asked_for_and_a_stream_with_two_names_is_told_once() {
    let web =
        json!({"host": "piha", "hostname": "piha", "container": "web", "container_name": "web"});
    let (server, url) = Server::start(vec![stream(web, &[("1795000001000000000", "tick")])]).await;
    let mut wanted = wanted("tick");
    wanted.containers = Some(vec!["web".parse().expect("a name")]);
    wanted.units = None;
    let answer = loki(&desired(&url))
        .search(&wanted)
        .await
        .expect("an answer");
    assert_eq!(answer.lines.len(), 1);
    let questions = server.questions();
    assert_eq!(questions.len(), 4, "{questions:?}");
    assert_eq!(
        questions[0],
        "{host=~\"(?:piha)\",container=~\"/?(?:web)\"} |~ \"(?i)tick\""
    );
    // Last lines, where no text is looked for.
    wanted.text = None;
    loki(&desired(&url))
        .search(&wanted)
        .await
        .expect("an answer");
    assert!(server.questions()[4].ends_with("container=~\"/?(?:web)\"}"));
}

#[tokio::test]
async fn credentials_tenant_and_labels_are_those_of_the_files() {
    let own = json!({"machine": "piha", "svc": "ssh.service"});
    let (server, url) = Server::start(vec![stream(own, &[("1795000001000000000", "tick")])]).await;
    let mut of = desired(&url);
    of.tenant = Some("home|work".to_owned());
    of.door.username = Some("stead".to_owned());
    of.door.password = Some("secret:loki".to_owned());
    of.labels = LokiLabels {
        node: Some("machine".to_owned()),
        container: None,
        unit: Some("svc".to_owned()),
    };
    let answer = loki(&of).search(&wanted("tick")).await.expect("an answer");
    assert_eq!(answer.lines[0].of, Of::Unit("ssh.service".into()));
    for (path, _, headers) in server.asked() {
        assert_eq!(headers["x-scope-orgid"], "home|work", "{path}");
        assert_eq!(
            headers["authorization"], "Basic c3RlYWQ6aHVudGVyMg==",
            "{path}"
        );
    }
    of.door.username = None;
    of.door.token = Some("secret:loki".to_owned());
    loki(&of).search(&wanted("tick")).await.expect("an answer");
    let (_, _, headers) = server.asked().pop().expect("asked");
    assert_eq!(headers["authorization"], "Bearer hunter2");
    of.door.token = Some("secret:other".to_owned());
    let absent = loki(&of)
        .search(&wanted("tick"))
        .await
        .expect_err("no secret");
    assert!(absent.to_string().contains("no secret"), "{absent}");
    assert!(!format!("{absent:?} {of:?}").contains("hunter2"));
}

#[tokio::test]
async fn what_it_cannot_say_is_said() {
    let (_, url) = Server::start(vec![]).await;
    let empty = searched(&url, "x").await.expect("an answer");
    assert_eq!(empty, Answer::default());
    let (server, url) = Server::start(vec![stream(json!({"app": "x"}), &[("1", "x")])]).await;
    let answer = searched(&url, "x").await.expect("an answer");
    assert!(
        answer.limits[0].contains("no label of it says which machine"),
        "{answer:?}"
    );
    server.is(|s| s.streams = Arc::new(vec![stream(json!({"host": "nas"}), &[("1", "x")])]));
    let answer = searched(&url, "x").await.expect("an answer");
    assert!(
        answer.limits[0].contains("if one of nas is a node"),
        "{answer:?}"
    );
    assert_eq!(
        server.questions(),
        Vec::<String>::new(),
        "nothing is asked for in vain"
    );
}

#[tokio::test]
async fn a_million_lines_and_a_line_of_ten_megabytes_are_bounded() {
    let many: Vec<Value> = (0..1_000_000_u64)
        .map(|n| json!([(1_795_000_000_000_000_000 + n).to_string(), "x"]))
        .collect();
    let piha = json!({"host": "piha", "container": "web"});
    let (server, url) = Server::start(vec![json!({"stream": piha.clone(), "values": many})]).await;
    let answer = searched(&url, "x").await.expect("an answer");
    assert_eq!(answer.lines.len(), 100);
    assert!(
        answer.limits[0].contains("only the newest 100 lines"),
        "{:?}",
        answer.limits
    );
    let long = "x".repeat(10 << 20);
    let few: Vec<(&str, &str)> = vec![("1795000000000000000", &long), ("1795000001000000000", "x")];
    server.is(|s| s.streams = Arc::new(vec![stream(piha.clone(), &few)]));
    let answer = searched(&url, "x").await.expect("an answer");
    assert!(
        answer.lines[0].text.len() < 2200,
        "{}",
        answer.lines[0].text.len()
    );
    assert!(
        answer.lines[0]
            .text
            .ends_with("(cut: the line has 10485760 bytes)")
    );
    assert_eq!(answer.lines[1].text, "x");
    // More than is taken at once: not even a few fit.
    server.is(|s| s.mood = Mood::Floods);
    let flood = searched(&url, "x").await.expect_err("too much");
    assert_eq!(flood.code(), "loki-answer");
    assert!(flood.sentence().contains("more than 32 MiB"), "{flood}");
}

#[tokio::test]
async fn lines_that_are_too_long_together_are_asked_for_in_small_numbers() {
    let web = json!({"host": "piha", "container": "web"});
    let (server, url) = Server::start(vec![stream(web, &[("1795000001000000000", "x")])]).await;
    server.is(|s| s.mood = Mood::FloodsBeyond(20));
    let answer = searched(&url, "x").await.expect("an answer");
    assert_eq!(answer.lines.len(), 1);
    assert_eq!(
        answer.limits,
        ["its lines are so long that only the newest 20 of a kind were asked for"]
    );
}

#[tokio::test]
async fn what_was_not_meant_is_neither_asked_for_nor_told_and_the_newest_are() {
    let of = |container: &str, second: u64| {
        let at = |n: u64| format!("179500000{second}00000000{n}");
        let labels = json!({"host": "piha", "container": container});
        let values: Vec<Value> = (0..2).map(|n| json!([at(n), "tick"])).collect();
        json!({"stream": labels, "values": values})
    };
    let unit = stream(
        json!({"host": "piha", "unit": "ssh.service"}),
        &[("1795000002000000000", "tick")],
    );
    let nas = stream(
        json!({"host": "nas.lan", "container": "web"}),
        &[("1795000007000000000", "tick of the attic")],
    );
    let (server, url) = Server::start(vec![of("db", 9), of("web", 1), unit, nas]).await;
    let mut wanted = wanted("tick");
    wanted.nodes = [node("piha")].into();
    wanted.containers = Some(vec!["web".parse().expect("a name")]);
    wanted.units = Some(vec!["ssh.service".parse().expect("a name")]);
    let found = loki(&desired(&url)).search(&wanted).await;
    let answer = found.expect("an answer");
    let told: Vec<Of> = answer.lines.iter().map(|line| line.of.clone()).collect();
    let web = || Of::Container("web".into());
    assert_eq!(told, [web(), web(), Of::Unit("ssh.service".into())]);
    let questions = server.questions();
    assert_eq!(questions.len(), 2, "{questions:?}");
    let attic = questions.iter().any(|q| q.contains("nas"));
    assert!(!attic, "{questions:?}");

    // Each question has its newest lines, and the answer the newest of all.
    server.is(|s| s.streams = Arc::new(s.streams[1..3].to_vec()));
    wanted.most = 2;
    let found = loki(&desired(&url)).search(&wanted).await;
    let answer = found.expect("an answer");
    let told: Vec<Of> = answer.lines.iter().map(|line| line.of.clone()).collect();
    assert_eq!(told, [web(), Of::Unit("ssh.service".into())]);
    assert!(answer.limits[0].contains("newest 2 lines"), "{answer:?}");
}

#[tokio::test]
async fn a_long_question_goes_as_a_form_and_many_are_cut() {
    let labels = [
        "host",
        "hostname",
        "node",
        "nodename",
        "node_name",
        "instance",
    ];
    let names = ["container", "container_name", "unit", "systemd_unit"];
    let pairs = labels
        .iter()
        .map(|label| (label.to_string(), json!("piha")));
    let names = names.iter().map(|label| (label.to_string(), json!("web")));
    let all: serde_json::Map<String, Value> = pairs.chain(names).collect();
    let streams = vec![stream(json!(all), &[("1795000001000000000", "tick")])];
    let (server, url) = Server::start(streams).await;
    let mut wanted = wanted("tick");
    let many = (0..400).map(|n| format!("web{n}").parse().expect("a name"));
    wanted.containers = Some(many.collect());
    wanted.units = Some(vec!["ssh.service".parse().expect("a name")]);
    let found = loki(&desired(&url)).search(&wanted).await;
    let answer = found.expect("an answer");
    assert_eq!(
        answer.limits,
        [
            "lines are told by 24 pairs of labels, and only the first 12 were asked for: name them under `loki.labels`"
        ]
    );
    assert_eq!(server.questions().len(), 12);
    for (path, query, headers) in server.asked() {
        let long = query.get("query").is_some_and(|q| q.len() > 2_000);
        assert_eq!(headers.contains_key("content-type"), long, "{path}");
    }
}

#[tokio::test]
async fn who_refuses_one_question_is_asked_the_next_and_who_refuses_all_is_left_in_peace() {
    for (status, asked) in [(400, 2), (422, 2), (401, 1), (429, 1), (503, 1)] {
        let (server, url) = Server::start(vec![]).await;
        server.is(|s| s.mood = Mood::Refuses(status));
        let loki = loki(&desired(&url));
        for _ in 0..2 {
            loki.search(&wanted("x")).await.expect_err("refused");
        }
        assert_eq!(server.asked().len(), asked, "{status}");
    }
}

#[tokio::test]
async fn a_search_takes_no_longer_than_a_request_may() {
    let web = json!({"host": "piha", "container": "web"});
    let (server, url) = Server::start(vec![stream(web, &[("1795000001000000000", "x")])]).await;
    server.is(|s| s.mood = Mood::Slow(6));
    let error = searched(&url, "x").await.expect_err("too slow");
    assert!(
        error.to_string().contains("no answer within 10 s"),
        "{error}"
    );
}

#[tokio::test]
async fn one_that_refuses_or_answers_something_else_says_so_in_a_sentence() {
    let (server, url) = Server::start(vec![]).await;
    for (mood, code, says) in [
        (Mood::Refuses(401), "loki-refused", "401"),
        (
            Mood::Refuses(429),
            "loki-refused",
            "too many outstanding requests",
        ),
        (Mood::Refuses(400), "loki-refused", "400"),
        (Mood::Refuses(503), "loki-away", "503"),
        (Mood::Page, "loki-answer", "cannot be read"),
    ] {
        server.is(|s| s.mood = mood);
        let error = searched(&url, "x").await.expect_err("no answer");
        assert_eq!(error.code(), code, "{mood:?}");
        let sentence = error.sentence();
        assert!(
            sentence.contains(says) && sentence.contains(&url),
            "{sentence}"
        );
        assert!(
            sentence.len() < 400 && !sentence.contains('\n'),
            "{sentence}"
        );
    }
    server.is(|s| {
        s.mood = Mood::Metrics;
        s.streams = Arc::new(vec![stream(json!({"host": "piha"}), &[])]);
    });
    let other = searched(&url, "x").await.expect_err("no lines");
    assert!(other.to_string().contains("\"matrix\""), "{other}");
    let nobody = searched("http://127.0.0.1:1", "x")
        .await
        .expect_err("nobody");
    assert_eq!(nobody.code(), "loki-away");
}

#[tokio::test]
async fn one_that_hangs_is_waited_for_once() {
    let (server, url) = Server::start(vec![]).await;
    server.is(|s| s.mood = Mood::Hangs);
    let loki = loki(&desired(&url));
    let begun = Instant::now();
    let error = loki.search(&wanted("x")).await.expect_err("silence");
    assert!(
        error.to_string().contains("no answer within 10 s"),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(13));
    let again = Instant::now();
    let error = loki.search(&wanted("x")).await.expect_err("silence");
    assert_eq!(error.code(), "loki-away");
    assert!(
        again.elapsed() < Duration::from_secs(1),
        "nobody waits again at once"
    );
    assert_eq!(server.asked().len(), 1);
}
