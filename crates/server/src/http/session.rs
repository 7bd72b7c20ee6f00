//! Signing in and out.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use stead_core::time::Time;
use stead_protocol::api;

use super::App;
use super::extract::Body;
use super::guard::{Caller, Peer};
use super::problem::Problem;

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", operation_id = "get_session", tag = "session",
    responses((status = 200, body = api::Session)))]
pub async fn get_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Json<api::Session> {
    Json(session(&app, &caller.user, caller.role, caller.expires_at))
}

/// Trade a one-time login secret, or an access token, for a session cookie.
#[utoipa::path(post, path = "/api/v1/session", operation_id = "sign_in", tag = "session", security(()),
    request_body = api::SignIn, responses((status = 200, body = api::Session)))]
pub async fn sign_in(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let peer = request.extensions().get::<Peer>().map(|p| p.0.ip());
    let from = peer.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
    // A page of another site could otherwise sign its visitor in as somebody else.
    if headers.contains_key(header::ORIGIN) {
        super::guard::same_origin(&headers)?;
    }
    let Body(asked) =
        <Body<api::SignIn> as axum::extract::FromRequest<App>>::from_request(request, &app).await?;
    let now = app.handle.now().at;
    may_try(&app, now, from)?;
    let secret = asked.secret.trim();
    if !app.tokens.is_admin(secret) && !app.links.redeem(now, secret) {
        app.limiter
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .failed(now, from);
        let remedy = "print a new link with `stead login`, or use the token of <data>/admin.token; a link works once, \
                      for 15 minutes";
        return Err(Problem::new(
            "bad-secret",
            "the secret is wrong, used up or too old",
            remedy,
        ));
    }
    let (cookie, expires_at) = app.sessions.create(now, "admin").map_err(no_randomness)?;
    let mut response = Json(session(&app, "admin", "admin", Some(expires_at))).into_response();
    let age = expires_at.since(now).0 / 1000;
    put_cookie(&app, &headers, response.headers_mut(), &cookie, age);
    Ok(response)
}

fn may_try(app: &App, now: Time, from: std::net::IpAddr) -> Result<(), Problem> {
    let mut limiter = app
        .limiter
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    limiter.may_try(now, from).map_err(|wait| {
        let seconds = wait.0.div_ceil(1000);
        let detail = format!("too many wrong secrets came from {from}");
        let remedy = format!("wait {seconds} s, then try again");
        Problem {
            retry_after: Some(seconds),
            ..Problem::new("too-many-tries", detail, remedy)
        }
    })
}

/// Sign out: ends the session and everything it has open.
#[utoipa::path(delete, path = "/api/v1/session", operation_id = "sign_out", tag = "session",
    responses((status = 204)))]
pub async fn sign_out(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    if let Some(cookie) = &caller.cookie {
        app.sessions.end(cookie);
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    put_cookie(&app, &headers, response.headers_mut(), "", 0);
    response
}

/// A fresh one-time link for a browser.
#[utoipa::path(post, path = "/api/v1/login-link", operation_id = "login_link", tag = "session",
    responses((status = 200, body = api::LoginLink)))]
pub async fn login_link(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<api::LoginLink>, Problem> {
    if caller.cookie.is_some() {
        let remedy = "send `Authorization: Bearer` with the token of <data>/admin.token, or run `stead login`";
        return Err(Problem::new(
            "wrong-token",
            "a session cannot make links for others",
            remedy,
        ));
    }
    mint(&app).map(Json)
}

/// A fresh one-time link.
pub fn mint(app: &App) -> Result<api::LoginLink, Problem> {
    let (secret, until) = app.links.mint(app.handle.now().at).map_err(no_randomness)?;
    Ok(api::LoginLink {
        path: format!("/login#{secret}"),
        expires_at: until.to_string(),
    })
}

fn no_randomness(error: crate::access::Error) -> Problem {
    Problem::new("internal", error.to_string(), error.remedy())
}

fn session(app: &App, user: &str, role: &str, expires_at: Option<Time>) -> api::Session {
    api::Session {
        user: user.to_string(),
        role: role.to_string(),
        fleet: app.handle.read(|v| v.world().fleet.name.clone()),
        version: env!("CARGO_PKG_VERSION").to_string(),
        expires_at: expires_at.map(|t| t.to_string()),
    }
}

/// `Secure` where the browser's side of a proxy is encrypted: on plain HTTP it would keep the cookie from working.
fn put_cookie(app: &App, asked: &HeaderMap, headers: &mut HeaderMap, value: &str, seconds: u64) {
    let encrypted = asked
        .get("x-forwarded-proto")
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if encrypted { "; Secure" } else { "" };
    let name = app.tokens.cookie_name();
    let text =
        format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(header::SET_COOKIE, value);
    }
}
