//! Refusals as RFC 9457 problem details.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use stead_protocol::api::Problem;

#[derive(Debug)]
pub struct Refused(Box<Problem>);

impl Refused {
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Refused {
        Refused(Box::new(Problem {
            kind: format!("/errors/{code}"),
            title: code.replace('-', " "),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            remedy: String::new(),
        }))
    }

    /// Says what to do next.
    pub fn with(mut self, remedy: impl Into<String>) -> Refused {
        self.0.remedy = remedy.into();
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            Json(*self.0),
        )
            .into_response()
    }
}
