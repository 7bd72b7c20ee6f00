//! The envelope in which Prometheus answers, and its kinds of errors.

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};
use stead_history::promql::Answer;
use stead_history::selector::Invalid;
use stead_ports::history::{Error, Labels, Sample};

use crate::http::problem::Problem;

/// An answer that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    kind: &'static str,
    why: String,
}

impl Refusal {
    /// What was asked cannot be read.
    pub fn bad_data(why: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            kind: "bad_data",
            why: why.into(),
        }
    }

    pub fn not_found(why: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::NOT_FOUND,
            kind: "not_found",
            why: why.into(),
        }
    }

    /// It did not come to an end in the time it was given.
    pub fn timeout(why: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "timeout",
            why: why.into(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let (status, kind) = match &error {
            Error::Selector(_) | Error::Query(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            Error::TooMuch { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            Error::Slow(_) => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Refusal {
            status,
            kind,
            why: error.to_string(),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(error: Invalid) -> Refusal {
        Refusal::bad_data(format!("the selector cannot be read: {error}"))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        let kind = match problem.status {
            StatusCode::GATEWAY_TIMEOUT => "timeout",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            status if status.is_server_error() => "internal",
            _ => "bad_data",
        };
        Refusal {
            status: problem.status,
            kind,
            why: format!("{}; {}", problem.detail, problem.remedy),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            status: &'static str,
            error_type: &'static str,
            error: String,
        }
        let body = Body {
            status: "error",
            error_type: self.kind,
            error: self.why,
        };
        (self.status, Json(body)).into_response()
    }
}

/// What was found.
pub fn found<T: Serialize>(data: T) -> Response {
    #[derive(Serialize)]
    struct Body<T> {
        status: &'static str,
        data: T,
    }
    Json(Body {
        status: "success",
        data,
    })
    .into_response()
}

/// What the guard says, as Prometheus would.
pub async fn enveloped(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    // The guard's headers stay: how to sign in, when to come again.
    let headers = [http::header::WWW_AUTHENTICATE, http::header::RETRY_AFTER];
    let kept = headers.map(|name| response.headers().get(&name).cloned().map(|v| (name, v)));
    let mut answer = Refusal::from(problem).into_response();
    answer.headers_mut().extend(kept.into_iter().flatten());
    answer
}

/// What a query came to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Result {
    result_type: &'static str,
    result: Shape,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shape {
    Scalar(Value),
    Text(Moment, String),
    Vector(Vec<One>),
    Matrix(Vec<Many>),
}

#[derive(Serialize)]
struct One {
    metric: Named,
    value: Value,
}

#[derive(Serialize)]
struct Many {
    metric: Named,
    values: Vec<Value>,
}

/// `at`: of a text, which has no time of its own.
pub fn result(answer: Answer, at: i64) -> Result {
    let (result_type, result) = match answer {
        Answer::Scalar(sample) => ("scalar", Shape::Scalar(Value(sample))),
        Answer::Text(text) => ("string", Shape::Text(Moment(at), text)),
        Answer::Vector(all) => {
            let one = |(labels, sample)| One {
                metric: Named(labels),
                value: Value(sample),
            };
            ("vector", Shape::Vector(all.into_iter().map(one).collect()))
        }
        Answer::Matrix(all) => {
            let many = |(labels, samples): (Labels, Vec<Sample>)| Many {
                metric: Named(labels),
                values: samples.into_iter().map(Value).collect(),
            };
            ("matrix", Shape::Matrix(all.into_iter().map(many).collect()))
        }
    };
    Result {
        result_type,
        result,
    }
}

/// Labels, the metric's name among them.
pub struct Named(pub Labels);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter())
    }
}

/// Seconds since 1970, with milliseconds where there are any.
struct Moment(i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        if self.0 % 1_000 == 0 {
            to.serialize_i64(self.0 / 1_000)
        } else {
            to.serialize_f64(self.0 as f64 / 1_000.0)
        }
    }
}

/// When, and how much: as a text, since JSON has no infinity.
struct Value(Sample);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let mut pair = to.serialize_tuple(2)?;
        pair.serialize_element(&Moment(self.0.at.0))?;
        pair.serialize_element(&number(self.0.value))?;
        pair.end()
    }
}

/// As Go writes it.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use stead_core::time::Time;

    use super::*;

    fn sample(at: i64, value: f64) -> Sample {
        Sample {
            at: Time(at),
            value,
        }
    }

    fn json(answer: Answer) -> String {
        serde_json::to_string(&result(answer, 1_500)).unwrap()
    }

    #[test]
    fn answers_have_prometheus_shape() {
        let labels = Labels::new("up", [("node", "a")]);
        assert_eq!(
            json(Answer::Vector(vec![(labels.clone(), sample(1_500, 1.0))])),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","node":"a"},"value":[1.5,"1"]}]}"#
        );
        assert_eq!(
            json(Answer::Matrix(vec![(
                labels,
                vec![sample(1_000, f64::INFINITY), sample(2_000, f64::NAN)]
            )])),
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","node":"a"},"values":[[1,"+Inf"],[2,"NaN"]]}]}"#
        );
        assert_eq!(
            json(Answer::Scalar(sample(2_000, 0.25))),
            r#"{"resultType":"scalar","result":[2,"0.25"]}"#
        );
        assert_eq!(
            json(Answer::Text("<b>".into())),
            r#"{"resultType":"string","result":[1.5,"<b>"]}"#
        );
    }

    #[test]
    fn each_error_of_the_history_has_prometheus_kind() {
        for (error, status, kind) in [
            (Error::Query("x".into()), 400, "bad_data"),
            (Error::Slow(5), 503, "timeout"),
            (Error::Io("x".into()), 503, "unavailable"),
            (Error::Away("x".into()), 503, "unavailable"),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!((refusal.status.as_u16(), refusal.kind), (status, kind));
        }
    }
}
