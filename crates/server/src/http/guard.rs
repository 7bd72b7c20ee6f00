//! What stands before every route: the host name asked for, who asks, from which site, for how long; and the headers
//! that go out with every answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use stead_core::action::Principal;
use stead_core::time::Time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::App;
use super::problem::Problem;

/// How long an ordinary answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Which host names Stead answers to. A browser that was led here by a rebound name sends that name (S16).
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// Nobody but this machine can connect.
    pub loopback_only: bool,
    /// Names the owner added.
    pub allowed: Vec<String>,
}

impl Hosts {
    /// Whether a request for `host` (with or without a port) is answered.
    pub fn admits(&self, host: &str) -> bool {
        let name = without_port(host);
        if self
            .allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
        {
            return true;
        }
        let address = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let local = name.eq_ignore_ascii_case("localhost")
            || address.as_ref().is_ok_and(IpAddr::is_loopback);
        if self.loopback_only {
            return local;
        }
        // Open to the network: any name, unless the owner said which; an address cannot be rebound.
        self.allowed.is_empty() || local || address.is_ok()
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// Refuses names that are not ours, counts, and puts the headers on.
pub async fn outermost(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let path = request.uri().path().to_string();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".into(), |m| m.as_str().to_string());
    let mut response = match host(&request) {
        Some(host) if path.starts_with("/agent/") || app.hosts.admits(&host) => {
            next.run(request).await
        }
        host => {
            let detail = format!("the request is for {:?}", host.unwrap_or_default());
            let remedy =
                "open Stead by the address it listens on, or start it with --allow-host NAME";
            Problem::new("host-not-allowed", detail, remedy).into_response()
        }
    };
    harden(&path, response.headers_mut());
    app.traffic
        .answered(&route, response.status(), started.elapsed());
    response
}

fn host(request: &Request) -> Option<String> {
    let named = request
        .headers()
        .get(header::HOST)
        .and_then(|v| v.to_str().ok());
    named
        .or_else(|| request.uri().authority().map(|a| a.as_str()))
        .map(ToString::to_string)
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

fn harden(path: &str, headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "no-referrer");
    put(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    put(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    put(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    );
    let data = ["/api/", "/summary", "/healthz", "/metrics", "/prometheus"];
    if data.iter().any(|start| path.starts_with(start)) {
        put(header::CACHE_CONTROL, "no-store");
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user: String,
    pub role: &'static str,
    /// The cookie, where the session came by one.
    pub cookie: Option<String>,
    pub expires_at: Option<Time>,
    /// Ends what the caller has open.
    pub closed: CancellationToken,
}

impl Caller {
    pub fn principal(&self) -> Principal {
        Principal::User(self.user.clone())
    }
}

/// Lets in who holds the admin token or a session; the rest is told to sign in.
pub async fn private(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match admit(&app, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn admit(app: &App, request: &Request<Body>) -> Result<Caller, Problem> {
    let headers = request.headers();
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return bearer(app, value);
    }
    let sign_in = || {
        let remedy =
            "sign in, or send `Authorization: Bearer` with the token of <data>/admin.token";
        Problem::new(
            "not-signed-in",
            "this address needs a session or a token",
            remedy,
        )
    };
    let cookie = cookie(headers, &app.tokens.cookie_name()).ok_or_else(sign_in)?;
    let found = app
        .sessions
        .find(app.handle.now().at, cookie)
        .ok_or_else(sign_in)?;
    if changes(request.method()) {
        same_origin(headers)?;
    }
    Ok(Caller {
        user: found.user,
        role: "admin",
        cookie: Some(cookie.to_string()),
        expires_at: Some(found.expires_at),
        closed: found.closed,
    })
}

fn bearer(app: &App, value: &HeaderValue) -> Result<Caller, Problem> {
    let text = value.to_str().unwrap_or("");
    let token = text
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, t)| t.trim());
    match token {
        Some(token) if app.tokens.is_admin(token) => Ok(Caller {
            user: "admin".to_string(),
            role: "admin",
            cookie: None,
            expires_at: None,
            closed: CancellationToken::new(),
        }),
        Some(token) if app.tokens.is_agent(token) => {
            let remedy = "use the token of <data>/admin.token here";
            Err(Problem::new(
                "wrong-token",
                "an agent's token opens the agents' door only",
                remedy,
            ))
        }
        _ => {
            let remedy = "use the token of <data>/admin.token, as it is in the file";
            Err(Problem::new(
                "bad-secret",
                "the token is not accepted",
                remedy,
            ))
        }
    }
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value)
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A page of another site can make a browser send the cookie, but not a false `Origin`.
pub fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let (origin, host) = (text(header::ORIGIN), text(header::HOST));
    let origin_host = origin
        .and_then(|o| o.split_once("://"))
        .map(|(_, rest)| rest);
    let fits = match (origin_host, site) {
        (Some(from), _) => {
            host.is_some_and(|host| host.eq_ignore_ascii_case(from)) || site == Some("same-origin")
        }
        // `Origin: null` has no host.
        (None, Some(site)) => origin.is_none() && site == "same-origin",
        (None, None) => false,
    };
    if fits {
        return Ok(());
    }
    let detail = format!(
        "it says it comes from {:?}",
        origin.or(site).unwrap_or("nowhere")
    );
    let remedy = "use Stead's own pages; scripts send `Authorization: Bearer` instead of a cookie. Behind a proxy, \
                  pass the Host header on";
    Err(Problem::new("foreign-origin", detail, remedy))
}

/// Ends what takes too long. Not for live feeds.
pub async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("there was no answer within {} s", ANSWER_WITHIN.as_secs());
            Problem::new(
                "timeout",
                detail,
                "try again; if it stays, `stead status` and Stead's own log say more",
            )
            .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_bind_answers_to_no_rebound_name() {
        let hosts = Hosts {
            loopback_only: true,
            allowed: vec!["stead.lan".to_string()],
        };
        for good in [
            "localhost",
            "localhost:18180",
            "127.0.0.1:18180",
            "[::1]:18180",
            "127.0.0.9",
            "Stead.LAN:443",
        ] {
            assert!(hosts.admits(good), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:18180",
            "",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]:1",
        ] {
            assert!(!hosts.admits(bad), "{bad}");
        }
    }

    #[test]
    fn an_open_bind_answers_to_any_name_until_the_owner_says_which() {
        assert!(Hosts::default().admits("anything.example"));
        let hosts = Hosts {
            loopback_only: false,
            allowed: vec!["stead.example".to_string()],
        };
        assert!(hosts.admits("stead.example"));
        assert!(hosts.admits("10.0.0.1:18180"));
        assert!(!hosts.admits("evil.example"));
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn only_our_own_pages_may_change_things_by_cookie() {
        let ours = [
            ("host", "127.0.0.1:18180"),
            ("origin", "http://127.0.0.1:18180"),
        ];
        assert!(same_origin(&headers(&ours)).is_ok());
        assert!(
            same_origin(&headers(&[
                ("host", "a:1"),
                ("sec-fetch-site", "same-origin")
            ]))
            .is_ok()
        );
        for bad in [
            vec![
                ("host", "127.0.0.1:18180"),
                ("origin", "http://127.0.0.1:9999"),
            ],
            vec![("host", "127.0.0.1:18180"), ("origin", "null")],
            vec![
                ("host", "127.0.0.1:18180"),
                ("origin", "null"),
                ("sec-fetch-site", "cross-site"),
            ],
            vec![("host", "127.0.0.1:18180"), ("sec-fetch-site", "same-site")],
            vec![("host", "127.0.0.1:18180")],
        ] {
            assert!(same_origin(&headers(&bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let jar = headers(&[("cookie", "a=1; stead_12=secret; xstead_1=no")]);
        assert_eq!(cookie(&jar, "stead_12"), Some("secret"));
        assert_eq!(cookie(&jar, "stead_1"), None);
    }
}
