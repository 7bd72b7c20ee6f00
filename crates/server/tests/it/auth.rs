//! Who may come in, and what other sites can and cannot do.

use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, RETRY_AFTER, SET_COOKIE};
use http::{Response, StatusCode};
use serde_json::json;
use stead_ports::log::memory::Disk;
use stead_server::http::Hosts;

use crate::scene::{Scene, read, request};

const HERE: &str = "http://127.0.0.1:18180";

async fn sign_in(scene: &Scene, secret: &str) -> Response<Body> {
    let body = json!({ "secret": secret }).to_string();
    let asked = request("POST", "/api/v1/session")
        .header("origin", HERE)
        .header(CONTENT_TYPE, "application/json");
    scene.send(asked.body(Body::from(body)).unwrap()).await
}

fn cookie(response: &Response<Body>) -> String {
    let set = response.headers()[SET_COOKIE].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    set.split(';').next().unwrap().to_string()
}

#[tokio::test]
async fn every_private_route_needs_a_session_or_a_token() {
    let scene = Scene::well().await;
    let api = serde_json::to_value(stead_server::http::description()).unwrap();
    let mut asked = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"] == json!([{}]) {
                continue;
            }
            let path = path.replace("{seq}", "1").replace(['{', '}'], "");
            let (status, body) = read(
                scene
                    .send(
                        request(&method.to_uppercase(), &path)
                            .body(Body::empty())
                            .unwrap(),
                    )
                    .await,
            )
            .await;
            assert_eq!(
                (status, body["code"].as_str()),
                (StatusCode::UNAUTHORIZED, Some("not-signed-in")),
                "{method} {path}"
            );
            asked += 1;
        }
    }
    assert!(asked >= 25, "{asked}");
}

#[tokio::test]
async fn a_wrong_token_and_an_agents_token_open_nothing() {
    let scene = Scene::well().await;
    let agent = std::fs::read_to_string(scene.data.path().join("agent.token")).unwrap();
    for (token, status, code) in [
        ("wrong", StatusCode::UNAUTHORIZED, "bad-secret"),
        ("", StatusCode::UNAUTHORIZED, "bad-secret"),
        (agent.trim(), StatusCode::FORBIDDEN, "wrong-token"),
    ] {
        let asked =
            request("GET", "/api/v1/nodes").header("authorization", format!("Bearer {token}"));
        let (got, body) = read(scene.send(asked.body(Body::empty()).unwrap()).await).await;
        assert_eq!((got, body["code"].as_str()), (status, Some(code)));
    }
    // S10: a token in the address is no token.
    let asked = request(
        "GET",
        &format!("/api/v1/nodes?token={0}&access_token={0}", scene.token),
    );
    assert_eq!(
        scene
            .send(asked.body(Body::empty()).unwrap())
            .await
            .status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_login_link_works_once_and_gives_a_session_that_survives_a_restart() {
    let scene = Scene::well().await;
    let (status, link) = scene.post("/api/v1/login-link", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let secret = link["path"]
        .as_str()
        .unwrap()
        .strip_prefix("/login#")
        .unwrap()
        .to_string();
    assert_eq!(secret.len(), 32, "128 bits");
    let response = sign_in(&scene, &secret).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = cookie(&response);
    let (_, session) = read(response).await;
    assert_eq!(
        (session["user"].as_str(), session["fleet"].as_str()),
        (Some("admin"), Some("home"))
    );
    assert!(session["expires_at"].is_string());

    let (status, body) = read(sign_in(&scene, &secret).await).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("bad-secret")),
        "it works once"
    );

    let data = tempfile::tempdir().unwrap();
    for file in ["admin.token", "sessions.json"] {
        std::fs::copy(scene.data.path().join(file), data.path().join(file)).unwrap();
    }
    let restarted = Scene::on(Hosts::default(), Disk::default(), data).await;
    let asked = request("GET", "/api/v1/session").header(COOKIE, &cookie);
    assert_eq!(
        restarted
            .send(asked.body(Body::empty()).unwrap())
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let scene = Scene::well().await;
    let response = sign_in(&scene, &scene.token).await;
    let cookie = cookie(&response);
    let asked = |method: &str| {
        request(method, "/api/v1/session")
            .header(COOKIE, &cookie)
            .header("origin", HERE)
    };
    assert_eq!(
        scene
            .send(asked("GET").body(Body::empty()).unwrap())
            .await
            .status(),
        StatusCode::OK
    );
    let out = scene
        .send(asked("DELETE").body(Body::empty()).unwrap())
        .await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert!(
        out.headers()[SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(
        scene
            .send(asked("GET").body(Body::empty()).unwrap())
            .await
            .status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn another_site_cannot_change_anything_with_the_cookie() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let cookie = cookie(&sign_in(&scene, &scene.token).await);
    let path = "/api/v1/actions/container-restart-piha-z2m/approve";
    let asked = |origin: Option<&str>| {
        let asked = request("POST", path)
            .header(COOKIE, &cookie)
            .header(CONTENT_TYPE, "application/json");
        let asked = match origin {
            Some(origin) => asked.header("origin", origin),
            None => asked,
        };
        asked.body(Body::from("{}")).unwrap()
    };
    for origin in [
        Some("http://evil.example"),
        Some("http://127.0.0.1:9999"),
        Some("null"),
        None,
    ] {
        let (status, body) = read(scene.send(asked(origin)).await).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::FORBIDDEN, Some("foreign-origin")),
            "{origin:?}"
        );
    }
    // A form of another site can send text, not JSON.
    let form = request("POST", path).header("authorization", format!("Bearer {}", scene.token));
    let form = form
        .header(CONTENT_TYPE, "text/plain")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(read(scene.send(form).await).await.1["code"], "not-json");
    assert_eq!(scene.send(asked(Some(HERE))).await.status(), StatusCode::OK);
    // Nor can it sign its visitor in.
    let body = json!({ "secret": scene.token }).to_string();
    let foreign = request("POST", "/api/v1/session").header("origin", "http://evil.example");
    let foreign = foreign
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(scene.send(foreign).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn guessing_is_slowed() {
    let scene = Scene::well().await;
    for _ in 0..10 {
        assert_eq!(
            sign_in(&scene, "guess").await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    let slowed = sign_in(&scene, &scene.token).await;
    assert_eq!(slowed.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(
        slowed.headers()[RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            <= 60
    );
}

#[tokio::test]
async fn a_rebound_name_is_not_answered() {
    let scene = Scene::with(Hosts {
        loopback_only: true,
        allowed: vec!["stead.lan".into()],
    })
    .await;
    let asked = |host: &str, path: &str| {
        let asked = http::Request::builder().uri(path).header("host", host);
        asked
            .header("authorization", format!("Bearer {}", scene.token))
            .body(Body::empty())
            .unwrap()
    };
    for path in ["/api/v1/nodes", "/summary", "/", "/metrics"] {
        let (status, body) = read(scene.send(asked("evil.example:18180", path)).await).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::MISDIRECTED_REQUEST, Some("host-not-allowed")),
            "{path}"
        );
    }
    assert_eq!(
        scene
            .send(asked("localhost:18180", "/summary"))
            .await
            .status(),
        StatusCode::OK
    );
    assert_eq!(
        scene.send(asked("stead.lan", "/summary")).await.status(),
        StatusCode::OK
    );
}
