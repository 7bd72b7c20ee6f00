//! Prometheus' query API: its shapes and errors, and the same answers as the real Prometheus on the same samples.

use std::fmt::Write;
use std::process::Command;

use axum::body::Body;
use http::StatusCode;
use serde_json::{Value, json};
use stead_core::time::Time;
use stead_history::openmetrics;
use stead_history::store::Store;
use stead_ports::history::{Entry, Labels, Sample, Writer};

use crate::peer::{Peer, there};
use crate::scene::{Scene, read, request, until};

const MINUTE: i64 = 60_000;
const STEP: i64 = 10_000;

async fn store(scene: &Scene) -> Store {
    until("the history is open", async || {
        scene.history.store().cloned()
    })
    .await
}

/// Counters, gauges and a histogram of two nodes for two hours, which stop and begin anew as real ones do.
fn samples(until: i64) -> Vec<Entry> {
    let mut all = Vec::new();
    let steps = 120 * MINUTE / STEP;
    for (node, rate) in [("a", 1.5), ("b", 2.25)] {
        for n in 0..steps {
            let at = Time(until - (steps - n) * STEP);
            let mut add = |name: &str, labels: &[(&str, &str)], value: f64| {
                let labels = labels.iter().copied().chain([("node", node)]);
                all.push(Entry {
                    labels: Labels::new(name, labels),
                    sample: Sample { at, value },
                });
            };
            // The counter falls back once; node b is silent for ten minutes.
            let since = if n >= 400 { n - 400 } else { n } as f64;
            if node == "b" && (200..260).contains(&n) {
                continue;
            }
            let wave = ((n * 7) % 13) as f64;
            for (mode, share) in [("user", 1.0), ("system", 0.5), ("idle", 8.0)] {
                add("cpu_seconds_total", &[("mode", mode)], since * rate * share);
            }
            add("memory_bytes", &[], 1e9 + wave * 1e6);
            add(
                "disk_used_percent",
                &[("mount", "/")],
                40.0 + n as f64 / 100.0,
            );
            add("disk_used_percent", &[("mount", "/srv")], 90.0 - wave);
            for (le, part) in [("0.1", 0.5), ("0.5", 0.8), ("1", 0.95), ("+Inf", 1.0)] {
                add(
                    "request_seconds_bucket",
                    &[("le", le)],
                    (since * rate * part * 10.0).floor(),
                );
            }
            add("request_seconds_count", &[], (since * rate * 10.0).floor());
            add("request_seconds_sum", &[], since * rate * 3.0);
        }
    }
    all
}

/// The same in the text that Prometheus imports: by series, with times in seconds.
fn open_metrics(all: &[Entry]) -> String {
    let mut sorted: Vec<&Entry> = all.iter().collect();
    sorted.sort_by(|a, b| (&a.labels, a.sample.at).cmp(&(&b.labels, b.sample.at)));
    let mut text = String::new();
    for entry in sorted {
        let at = entry.sample.at.0 as f64 / 1_000.0;
        let labels = &entry.labels;
        writeln!(text, "{labels} {} {at}", entry.sample.value).unwrap();
    }
    text + "# EOF\n"
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

/// Series by their labels, each with its times and values; the order is nobody's promise.
fn told(answer: &Value) -> Vec<(String, Vec<(f64, String)>)> {
    let data = &answer["data"];
    let pair = |pair: &Value| {
        let text = pair[1].as_str().unwrap();
        (pair[0].as_f64().unwrap(), text.to_owned())
    };
    if data["resultType"] == "scalar" || data["resultType"] == "string" {
        return vec![(String::new(), vec![pair(&data["result"])])];
    }
    let mut all: Vec<_> = data["result"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .iter()
        .map(|series| {
            let values = match series["values"].as_array() {
                Some(values) => values.iter().map(pair).collect(),
                None => vec![pair(&series["value"])],
            };
            (series["metric"].to_string(), values)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn same(ours: &Value, theirs: &Value) -> Result<(), String> {
    let (ours, theirs) = (told(ours), told(theirs));
    let names = |all: &[(String, Vec<_>)]| all.iter().map(|s| s.0.clone()).collect::<Vec<_>>();
    if names(&ours) != names(&theirs) {
        return Err(format!(
            "series {:?} and {:?}",
            names(&ours),
            names(&theirs)
        ));
    }
    for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        if ours.len() != theirs.len() {
            return Err(format!(
                "{name}: {} values and {}",
                ours.len(),
                theirs.len()
            ));
        }
        for ((at, value), (their_at, their_value)) in ours.iter().zip(theirs) {
            let near = |a: &str, b: &str| {
                let (a, b): (f64, f64) = (a.parse().unwrap(), b.parse().unwrap());
                a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
            };
            let numbers = value.parse::<f64>().is_ok() && their_value.parse::<f64>().is_ok();
            let equal = if numbers {
                near(value, their_value)
            } else {
                value == their_value
            };
            if at != their_at || !equal {
                return Err(format!(
                    "{name} at {at}: {value}, and {their_value} at {their_at}"
                ));
            }
        }
    }
    Ok(())
}

/// Queries that both answer alike.
const ALIKE: &[&str] = &[
    // Selectors.
    "memory_bytes",
    "cpu_seconds_total{node=\"a\",mode=\"user\"}",
    "cpu_seconds_total{mode=~\"user|system\",node!=\"b\"}",
    "cpu_seconds_total{mode!~\"i.*\"}",
    "{__name__=~\"disk.*\",mount=\"/\"}",
    "memory_bytes offset 10m",
    "nothing_like_that",
    // Rates and what is over time.
    "rate(cpu_seconds_total[5m])",
    "irate(cpu_seconds_total[1m])",
    "increase(request_seconds_count[10m])",
    "delta(memory_bytes[5m])",
    "deriv(disk_used_percent[10m])",
    "predict_linear(disk_used_percent{mount=\"/\"}[30m], 3600)",
    "avg_over_time(memory_bytes[5m])",
    "min_over_time(memory_bytes[5m])",
    "max_over_time(memory_bytes[5m])",
    "sum_over_time(disk_used_percent[5m])",
    "count_over_time(memory_bytes[15m])",
    "stddev_over_time(memory_bytes[5m])",
    "quantile_over_time(0.9, memory_bytes[10m])",
    "last_over_time(memory_bytes[5m])",
    "present_over_time(memory_bytes[5m])",
    "changes(memory_bytes[5m])",
    "resets(cpu_seconds_total{mode=\"user\"}[2h])",
    "absent(nothing_like_that)",
    "absent_over_time(memory_bytes{node=\"b\"}[5m])",
    "max_over_time(rate(cpu_seconds_total[1m])[10m:1m])",
    // Aggregations.
    "sum(rate(cpu_seconds_total[5m]))",
    "sum by (mode) (rate(cpu_seconds_total[5m]))",
    "sum without (mode) (rate(cpu_seconds_total[5m]))",
    "avg by (node) (disk_used_percent)",
    "min(memory_bytes)",
    "max by (mount) (disk_used_percent)",
    "count(cpu_seconds_total)",
    "stddev(disk_used_percent)",
    "quantile(0.5, disk_used_percent)",
    "topk(2, disk_used_percent)",
    "bottomk(1, disk_used_percent)",
    "count_values(\"v\", round(disk_used_percent))",
    "group by (node) (disk_used_percent)",
    // Histograms.
    "histogram_quantile(0.9, sum by (le) (rate(request_seconds_bucket[5m])))",
    "histogram_quantile(0.5, rate(request_seconds_bucket[5m]))",
    "rate(request_seconds_sum[5m]) / rate(request_seconds_count[5m])",
    // Arithmetic, comparison, sets.
    "memory_bytes / 1024 ^ 2",
    "100 - disk_used_percent",
    "-memory_bytes",
    "disk_used_percent > 80",
    "disk_used_percent > bool 80",
    "rate(cpu_seconds_total{mode=\"idle\"}[5m]) / on (node) group_left sum by (node) (rate(cpu_seconds_total[5m]))",
    "memory_bytes and on (node) disk_used_percent > 80",
    "memory_bytes or disk_used_percent",
    "disk_used_percent unless disk_used_percent > 80",
    // Functions.
    "abs(-memory_bytes)",
    "ceil(disk_used_percent)",
    "round(disk_used_percent, 0.5)",
    "clamp(disk_used_percent, 50, 80)",
    "clamp_max(disk_used_percent, 80)",
    "sqrt(memory_bytes)",
    "ln(memory_bytes)",
    "log2(memory_bytes)",
    "exp(disk_used_percent / 100)",
    "label_replace(memory_bytes, \"short\", \"$1\", \"node\", \"(.).*\")",
    "label_join(disk_used_percent, \"where\", \":\", \"node\", \"mount\")",
    "scalar(sum(memory_bytes))",
    "vector(1)",
    "time()",
    "timestamp(memory_bytes)",
    "hour()",
    "day_of_week(vector(1500000000))",
    "1 + 2 * 3",
    "memory_bytes @ end()",
];

/// A scene and a Prometheus that hold the same.
async fn both(dir: &std::path::Path) -> (Scene, Peer, i64) {
    let scene = Scene::well().await;
    let store = store(&scene).await;
    let end = scene.handle.now().at.0 / MINUTE * MINUTE;
    let all = samples(end);
    let file = dir.join("samples.txt");
    std::fs::write(&file, open_metrics(&all)).unwrap();
    let count = all.len() as u64;
    let accepted = store.append(all).await.unwrap();
    assert_eq!((accepted.samples, accepted.refused.total()), (count, 0));
    let done = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, dir])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let peer = Peer::prometheus(dir, "").await;
    (scene, peer, end)
}

#[tokio::test]
async fn the_real_prometheus_answers_the_same_on_the_same_samples() {
    if !there("prometheus") || !there("promtool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (scene, peer, end) = both(dir.path()).await;
    // Off the samples' grid: a sample that lies exactly at the far end of a window is none of it here, as in Prometheus 3;
    // the Prometheus of Debian, 2.42, still takes it in.
    let (from, to) = (end / 1_000 - 3_597, end / 1_000 - 57);
    let mut differ = Vec::new();
    for query in ALIKE {
        let query_text = escaped(query);
        for path in [
            format!("/api/v1/query?query={query_text}&time={to}"),
            format!("/api/v1/query?query={query_text}&time={}.5", from + 17),
            format!("/api/v1/query_range?query={query_text}&start={from}&end={to}&step=60"),
            format!("/api/v1/query_range?query={query_text}&start={from}&end={to}&step=40s"),
        ] {
            let (status, ours) = scene.call("GET", &format!("/prometheus{path}"), None).await;
            let (their_status, theirs) = peer.ask("GET", &path, "").await.unwrap();
            if status != their_status {
                differ.push(format!(
                    "{query}: {status} {ours} and {their_status} {theirs}"
                ));
                break;
            }
            if let Err(why) = same(&ours, &theirs) {
                differ.push(format!("{query}: {why}"));
                break;
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Refused by both, with the same status and kind.
const REFUSED: &[&str] = &[
    "/api/v1/query",
    "/api/v1/query?query=sum(",
    "/api/v1/query?query=nosuch(memory_bytes)",
    "/api/v1/query?query=rate(memory_bytes)",
    "/api/v1/query?query=memory_bytes%5B",
    "/api/v1/query?query=%7Bnode%3D~%22(%22%7D",
    "/api/v1/query?query=1&time=soon",
    "/api/v1/query_range?query=1&start=1&end=2",
    "/api/v1/query_range?query=1&start=2&end=1&step=1",
    "/api/v1/query_range?query=1&start=1&end=2&step=0",
    "/api/v1/query_range?query=1&start=1&end=2&step=often",
    "/api/v1/query_range?query=1&start=0&end=1000000&step=1",
    "/api/v1/series",
    "/api/v1/series?match[]=%7B%7D",
    "/api/v1/series?match[]=memory_bytes%5B5m%5D",
    "/api/v1/labels?match[]=%7B%7D",
    "/api/v1/label/no-name/values",
];

#[tokio::test]
async fn names_and_refusals_are_those_of_the_real_prometheus() {
    if !there("prometheus") || !there("promtool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (scene, peer, end) = both(dir.path()).await;
    let span = format!("start={}&end={}", end / 1_000 - 3_600, end / 1_000);
    let matching = escaped("{mode=\"user\"}");
    for path in [
        format!("/api/v1/labels?{span}"),
        format!("/api/v1/labels?{span}&match[]={matching}"),
        format!("/api/v1/label/__name__/values?{span}"),
        format!("/api/v1/label/mount/values?{span}&match[]=disk_used_percent"),
        format!("/api/v1/label/nothing/values?{span}"),
        format!("/api/v1/series?{span}&match[]={matching}&match[]=memory_bytes"),
        format!(
            "/api/v1/series?{span}&match[]={}",
            escaped("{__name__=~\".+\"}")
        ),
    ] {
        let sorted = |mut answer: Value| {
            let data = answer["data"].as_array_mut().unwrap();
            data.sort_by_key(ToString::to_string);
            answer["data"].clone()
        };
        let ours = sorted(scene.get(&format!("/prometheus{path}")).await);
        assert_eq!(ours, sorted(peer.get(&path).await), "{path}");
    }
    for path in REFUSED {
        let (status, ours) = scene.call("GET", &format!("/prometheus{path}"), None).await;
        let (their_status, theirs) = peer.ask("GET", path, "").await.unwrap();
        assert_eq!(
            (status, &ours["errorType"], &ours["status"]),
            (their_status, &theirs["errorType"], &json!("error")),
            "{path}: {ours} and {theirs}"
        );
        assert!(
            ours["error"].as_str().is_some_and(|why| why.len() > 10),
            "{ours}"
        );
    }
}

#[tokio::test]
async fn a_data_source_finds_what_it_looks_for() {
    let scene = Scene::well().await;
    let store = store(&scene).await;
    let now = scene.handle.now().at.0;
    let at = Time(now / STEP * STEP - STEP);
    let labels = Labels::new("stead_node_load1", [("node", "piha")]);
    let sample = Sample { at, value: 0.25 };
    store.append(vec![Entry { labels, sample }]).await.unwrap();

    // As Grafana asks: by a form, with the token.
    let form = async |path: &str, form: &str| {
        let request = request("POST", &format!("/prometheus{path}"))
            .header("authorization", format!("Bearer {}", scene.token))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        read(scene.send(request).await).await
    };
    let (status, body) = form("/api/v1/query", "query=1%2B1&time=4").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let two = json!({"resultType": "scalar", "result": [4, "2"]});
    assert_eq!(body, json!({"status": "success", "data": two}));
    let (_, body) = form("/api/v1/query", "query=stead_node_load1").await;
    let metric = &body["data"]["result"][0]["metric"];
    assert_eq!(
        metric,
        &json!({"__name__": "stead_node_load1", "node": "piha"})
    );
    let build = scene.get("/prometheus/api/v1/status/buildinfo").await;
    assert_eq!(build["data"]["version"], "2.42.0");
    let about = scene
        .get("/prometheus/api/v1/metadata?metric=stead_node_load1")
        .await;
    assert_eq!(about["data"]["stead_node_load1"][0]["type"], "gauge");
    assert_eq!(about["data"].as_object().unwrap().len(), 1, "of that alone");
    for bad in [
        "label/0bad/values",
        "query_range?query=1&start=5&end=4&step=1",
        "labels?start=5&end=4",
    ] {
        let path = format!("/prometheus/api/v1/{bad}");
        let (status, body) = scene.call("GET", &path, None).await;
        assert_eq!(
            (status, &body["errorType"]),
            (StatusCode::BAD_REQUEST, &json!("bad_data")),
            "{bad}: {body}"
        );
    }
    let limited = scene.get("/prometheus/api/v1/metadata?limit=3").await;
    assert_eq!(limited["data"].as_object().unwrap().len(), 3);

    // Without the token, and where there is nothing: in the same envelope.
    let open = request("GET", "/prometheus/api/v1/query?query=1")
        .body(Body::empty())
        .unwrap();
    let response = scene.send(open).await;
    assert!(response.headers().contains_key("www-authenticate"));
    let (status, body) = read(response).await;
    assert_eq!(
        (status, &body["status"], &body["errorType"]),
        (
            StatusCode::UNAUTHORIZED,
            &json!("error"),
            &json!("bad_data")
        )
    );
    let (status, body) = scene.call("GET", "/prometheus/api/v1/nowhere", None).await;
    assert_eq!(
        (status, &body["errorType"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn an_answer_is_bounded_and_so_is_the_time_for_it() {
    let scene = Scene::well().await;
    let store = store(&scene).await;
    let end = scene.handle.now().at.0 / STEP * STEP;
    let entry = |series: i64, n: i64| Entry {
        labels: Labels::new("many", [("n", series.to_string().as_str())]),
        sample: Sample {
            at: Time(end - (6 - n) * STEP),
            value: n as f64,
        },
    };
    let all = (0..2_500).flat_map(|series| (0..6).map(move |n| entry(series, n)));
    store.append(all.collect()).await.unwrap();
    let ask = async |path: String| scene.call("GET", &format!("/prometheus{path}"), None).await;
    let (status, body) = ask("/api/v1/query?query=many".into()).await;
    assert_eq!(
        (status.as_u16(), body["errorType"].as_str()),
        (422, Some("execution")),
        "more series than an answer may read"
    );
    let some = escaped("many{n=~\"[13456789].*\"}");
    // A sample counts for five minutes.
    let span = format!(
        "start={}&end={}&step=1",
        end / 1_000 - 60,
        end / 1_000 + 280
    );
    let (status, body) = ask(format!("/api/v1/query_range?query={some}&{span}")).await;
    assert_eq!(
        (status.as_u16(), body["errorType"].as_str()),
        (422, Some("execution")),
        "{body}"
    );
    let (status, body) = ask(format!(
        "/api/v1/query_range?query=count({some})&{span}&timeout=1ms"
    ))
    .await;
    assert_eq!(
        (status.as_u16(), body["errorType"].as_str()),
        (503, Some("timeout")),
        "{body}"
    );
    let (status, _) = ask("/api/v1/query?query=count(nothing)".into()).await;
    assert_eq!(status, StatusCode::OK, "nobody else is hurt");
}

#[tokio::test]
async fn the_real_prometheus_scrapes_stead_and_finds_it_up() {
    if !there("prometheus") || !there("promtool") {
        return;
    }
    let scene = Scene::well().await;
    drop(store(&scene).await);
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let router = scene.router.clone();
    tokio::spawn(async move { axum::serve(socket, router).await });
    let dir = tempfile::tempdir().unwrap();
    let scrape = format!(
        "scrape_configs:\n- job_name: stead\n  scrape_interval: 1s\n  static_configs:\n  - targets: [\"{at}\"]\n"
    );
    let peer = Peer::prometheus(dir.path(), &scrape).await;
    let value = async |query: &str| {
        let answer = peer.get(&format!("/api/v1/query?query={query}")).await;
        let value = answer["data"]["result"][0]["value"][1].as_str()?;
        value.parse::<f64>().ok()
    };
    until("it is up", async || {
        (value("up").await? == 1.0).then_some(())
    })
    .await;
    assert!(value("stead_events_total").await > Some(0.0));
    assert_eq!(value("stead_agents_connected").await, Some(0.0));
    let kinds = peer.get("/api/v1/metadata?metric=stead_events_total").await;
    // Prometheus keeps the kind under the family's name where the text is OpenMetrics.
    let family = peer.get("/api/v1/metadata?metric=stead_events").await;
    let kind = |answer: &Value, name: &str| answer["data"][name][0]["type"].clone();
    assert!(
        kind(&kinds, "stead_events_total") == "counter"
            || kind(&family, "stead_events") == "counter",
        "{kinds} {family}"
    );

    // What it asked for, read by our own reader; and the older form by its own checker.
    let open = request("GET", "/metrics")
        .header("accept", "application/openmetrics-text; version=1.0.0")
        .body(Body::empty())
        .unwrap();
    let response = scene.send(open).await;
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let (_, text) = read(response).await;
    let text = text.as_str().unwrap();
    let found = openmetrics::read(text, openmetrics::Form::OpenMetrics, Time(0), 10_000);
    assert!(found.whole && found.unreadable == 0 && found.entries.len() > 40);
    let plain = scene.get("/metrics").await;
    let file = dir.path().join("plain.txt");
    std::fs::write(&file, plain.as_str().unwrap()).unwrap();
    let checked = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}\n{plain}");
}

#[tokio::test]
async fn a_query_waits_for_its_turn() {
    let scene = Scene::well().await;
    drop(store(&scene).await);
    let mut turns = Vec::new();
    for _ in 0..4 {
        turns.push(scene.history.turn().await);
    }
    let ask = async |timeout: &str| {
        let path = format!("/prometheus/api/v1/query?query=1{timeout}");
        scene.call("GET", &path, None).await
    };
    let (status, body) = ask("&timeout=50ms").await;
    assert_eq!(
        (status.as_u16(), &body["errorType"]),
        (503, &json!("timeout")),
        "{body}"
    );
    turns.pop();
    assert_eq!(ask("").await.0, StatusCode::OK);
}
