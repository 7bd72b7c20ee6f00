//! Reading requests, with errors that people can use: path, query and JSON body.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use stead_core::desired::Fleet;
use stead_core::ids::NodeName;
use stead_core::subject::{InvalidSubject, Subject};

use super::problem::Problem;

/// Largest body of a request.
pub const BODY_MAX: usize = 1 << 20;

/// A JSON body. An empty one is read as `{}`, so that `POST …/approve` needs none.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_string();
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|e| unreadable(&e))?;
        let is_json = kind
            .split(';')
            .next()
            .is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json"));
        // Anything else could be sent by a form of another site.
        let nothing = bytes.is_empty() && kind.is_empty();
        if !is_json && !nothing {
            let detail = format!("the body's content type is {kind:?}");
            return Err(Problem::new(
                "not-json",
                detail,
                "send `content-type: application/json`",
            ));
        }
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Body).map_err(|e| {
            Problem::new(
                "bad-json",
                e.to_string(),
                "correct the body at that place; /api/docs shows what it holds",
            )
        })
    }
}

fn unreadable(error: &BytesRejection) -> Problem {
    if error.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("a body may have {BODY_MAX} bytes");
        return Problem::new("too-large", detail, "send less at a time");
    }
    Problem::new("bad-json", error.body_text(), "send the whole body")
}

/// Query parameters.
pub struct Ask<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Ask(value)),
            Err(e) => Err(Problem::new(
                "bad-query",
                e.body_text(),
                "correct the parameter; /api/docs lists them",
            )),
        }
    }
}

/// Parts of the address.
pub struct Place<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Place<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Place(value)),
            Err(e) => Err(Problem::new(
                "bad-name",
                e.body_text(),
                "correct the address; /api/docs lists them",
            )),
        }
    }
}

/// A name out of an address.
pub fn name<T: std::str::FromStr<Err = stead_core::ids::InvalidName>>(
    text: &str,
) -> Result<T, Problem> {
    text.parse().map_err(|e: stead_core::ids::InvalidName| {
        Problem::new("bad-name", e.to_string(), "correct the name in the address")
    })
}

/// A node out of an address, under the fleet's own name for it.
pub fn node(app: &super::App, text: &str) -> Result<NodeName, Problem> {
    let node = name::<NodeName>(text)?;
    Ok(app.handle.resolve(&node))
}

/// A subject, under the fleet's own name for its node.
pub fn subject(app: &super::App, text: &str) -> Result<Subject, Problem> {
    let subject = text.trim().parse().map_err(|e: InvalidSubject| {
        Problem::new(
            "bad-subject",
            e.to_string(),
            "write it like service/NODE/NAME",
        )
    })?;
    Ok(app.handle.read(|v| own_name(&v.world().fleet, subject)))
}

fn own_name(fleet: &Fleet, subject: Subject) -> Subject {
    match subject {
        Subject::Node(n) => Subject::Node(fleet.resolve(&n).clone()),
        Subject::Service(n, s) => Subject::Service(fleet.resolve(&n).clone(), s),
        Subject::Container(n, c) => Subject::Container(fleet.resolve(&n).clone(), c),
        Subject::Unit(n, u) => Subject::Unit(fleet.resolve(&n).clone(), u),
        Subject::Model(n, m) => Subject::Model(fleet.resolve(&n).clone(), m),
        other => other,
    }
}
