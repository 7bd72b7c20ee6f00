//! Every error is a problem document, and every code has its page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use axum::body::Body;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use regex::Regex;
use stead_server::http::{CODES, error_page};

use crate::scene::{Scene, read, request};

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Codes as the sources write them.
fn in_sources() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for name in [
        "core", "ports", "engine", "store", "fleet", "adapters", "agent", "server", "stead",
    ] {
        sources(&crates.join(name).join("src"), &mut files);
    }
    assert!(
        files.len() > 150,
        "the sources are not where they are looked for"
    );
    let word = "([a-z]+(?:-[a-z0-9]+)+)";
    let places: Vec<Regex> = [
        format!(r#"(?:Problem::new|\brefuse)\(\s*"{word}""#),
        format!(r#"Failure::new\(\s*[\w:]+,\s*"{word}""#),
        format!(r#"\bself\.fail\(now, key, "{word}""#),
        format!(r#"\bcode: "{word}""#),
        format!(r#"const (?:LOG_FULL|TROUBLE|BROKEN|UNREADABLE): &str = "{word}""#),
    ]
    .iter()
    .map(|place| Regex::new(place).unwrap())
    .collect();
    let in_table = Regex::new(&format!(r#"=> "{word}""#)).unwrap();
    let mut codes = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for place in &places {
            codes.extend(place.captures_iter(text).map(|c| c[1].to_string()));
        }
        for table in text.split("fn code(&self)").skip(1) {
            let table = table.split("\n    }\n").next().unwrap();
            codes.extend(in_table.captures_iter(table).map(|c| c[1].to_string()));
        }
    }
    codes
}

#[test]
fn every_code_has_a_page_that_says_what_to_do() {
    let mut codes = in_sources();
    let known = [
        "plan-changed",
        "not-healed",
        "log-damaged",
        "files-unwritable",
        "log-full",
        "bad-event",
        "no-fleet",
        "engine-hangs",
        "server-address",
    ];
    for known in known {
        assert!(
            codes.contains(known),
            "{known} is not found in the sources: {codes:?}"
        );
    }
    codes.extend(CODES.iter().map(|(code, _, _)| code.to_string()));
    let missing: Vec<&String> = codes
        .iter()
        .filter(|code| error_page(code).is_none())
        .collect();
    assert!(
        missing.is_empty(),
        "without a page under docs/errors: {missing:?}"
    );
    for code in codes {
        let page = error_page(&code).unwrap();
        assert!(
            page.starts_with(&format!("# {code}\n")),
            "{code}: its page begins with its name"
        );
        assert!(
            page.contains("## What to do"),
            "{code}: its page says what to do"
        );
    }
}

#[test]
fn every_code_that_is_answered_has_a_title_and_a_status() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&crates, &mut files);
    let place = Regex::new(r#"Problem::new\(\s*"([a-z-]+)""#).unwrap();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for code in place.captures_iter(&text) {
            assert!(
                CODES.iter().any(|(known, _, _)| *known == &code[1]),
                "{} is not in the table",
                &code[1]
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document_too() {
    let scene = Scene::well().await;
    for (method, path, status, code) in [
        ("GET", "/api/v1/nowhere", StatusCode::NOT_FOUND, "not-found"),
        ("GET", "/api", StatusCode::NOT_FOUND, "not-found"),
        (
            "POST",
            "/api/v1/nodes",
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
        ),
        (
            "DELETE",
            "/summary",
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
        ),
        ("GET", "/missing.js", StatusCode::NOT_FOUND, "not-found"),
        (
            "POST",
            "/services",
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
        ),
        ("GET", "/errors/nothing", StatusCode::NOT_FOUND, "not-found"),
        (
            "GET",
            "/errors/..%2f..%2fCargo",
            StatusCode::NOT_FOUND,
            "not-found",
        ),
    ] {
        let asked =
            request(method, path).header("authorization", format!("Bearer {}", scene.token));
        let response = scene.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/problem+json",
            "{method} {path}"
        );
        let (got, body) = read(response).await;
        assert_eq!(
            (got, body["code"].as_str()),
            (status, Some(code)),
            "{method} {path}"
        );
        assert_eq!(body["type"], format!("/errors/{code}"));
        assert!(!body["remedy"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn bad_json_is_placed_and_a_large_body_refused() {
    let scene = Scene::well().await;
    let post = |body: String| {
        let asked = request("POST", "/api/v1/actions")
            .header("authorization", format!("Bearer {}", scene.token));
        asked
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap()
    };
    let (status, body) = read(scene.send(post("{\"kind\": }".into())).await).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("bad-json"))
    );
    assert!(
        body["detail"].as_str().unwrap().contains("column 10"),
        "{body}"
    );
    let (status, body) = read(
        scene
            .send(post(format!("\"{}\"", "x".repeat(2 << 20))))
            .await,
    )
    .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, Some("too-large"))
    );
}

#[tokio::test]
async fn pages_are_served_with_a_policy_and_nothing_outside_them() {
    let scene = Scene::new().await;
    let get = |path: &str| request("GET", path).body(Body::empty()).unwrap();
    let home = scene.send(get("/")).await;
    assert_eq!(home.status(), StatusCode::OK);
    let headers = home.headers().clone();
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let tag = headers["etag"].clone();
    let again = scene
        .send(
            request("GET", "/")
                .header("if-none-match", tag)
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(
        scene.send(get("/services/piha/z2m")).await.status(),
        StatusCode::OK,
        "the UI's own addresses"
    );
    // S18.
    for path in [
        "/../Cargo.toml",
        "/assets/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2f..%2fCargo.toml",
        "/.vite/manifest.json",
        "//etc/passwd.txt",
    ] {
        let (_, body) = read(scene.send(get(path)).await).await;
        assert!(
            !body.to_string().contains("[package]") && !body.to_string().contains("root:"),
            "{path}"
        );
    }
    let (status, page) = read(scene.send(get("/errors/plan-changed")).await).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.as_str().unwrap().contains("<h1>plan-changed</h1>"));
    let (_, docs) = read(scene.send(get("/api/docs")).await).await;
    assert!(
        docs.as_str()
            .unwrap()
            .contains("/api/v1/actions/{id}/approve")
    );
    assert_eq!(
        read(scene.send(get("/api/openapi.json")).await).await.1["info"]["title"],
        "Stead"
    );
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_ended_with_a_problem_document() {
    let scene = Scene::well().await;
    let (status, body) = scene
        .call("GET", "/api/v1/containers/piha/hang/logs", None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::GATEWAY_TIMEOUT, Some("timeout"))
    );
}
