//! `?at=`: any page as it was. Row L16.
//!
//! Whatever shows the world takes a [`When`] and looks through it; what only the present knows (samples, links, trouble
//! of Stead itself) is absent in the past. Nothing is ever changed there, and a route that cannot show the past says so
//! instead of showing the present.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use stead_core::container_sample::ContainerSample;
use stead_core::ids::{NodeName, Seq};
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_core::world::EvidenceState;
use stead_engine::Trouble;
use stead_engine::past::{self, Past};
use stead_ports::log::Filter;
use stead_protocol::api;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, Required};

use super::App;
use super::problem::Problem;
use crate::present::{self, Counted, Live, Look};

/// Tells which instant an answer is about.
const AT: HeaderName = HeaderName::from_static("stead-at");

/// The routes that show the past.
const PATHS: &[&str] = &[
    "/api/v1/overview",
    "/api/v1/nodes",
    "/api/v1/nodes/{node}",
    "/api/v1/services",
    "/api/v1/inventory",
    "/api/v1/services/{node}/{service}",
    "/api/v1/containers",
    "/api/v1/containers/{node}/{container}",
    "/api/v1/drift",
    "/api/v1/actions",
    "/api/v1/actions/{id}",
    "/api/v1/actions/{id}/why",
    "/api/v1/desired",
    "/api/v1/table",
    "/api/v1/events",
    "/api/v1/events/{seq}",
    "/api/v1/why/{*about}",
    "/api/v1/locks",
    "/api/v1/brake",
    "/api/v1/policy",
    "/api/v1/policy/verdict",
    "/api/v1/alerts",
    "/api/v1/messages",
    "/api/v1/rollouts",
    "/api/v1/rollouts/{id}",
    "/api/v1/drills",
];

/// The instant a request is about.
#[derive(Debug, Clone)]
pub struct When(Option<Past>);

impl When {
    pub const NOW: When = When(None);

    pub fn is_now(&self) -> bool {
        self.0.is_none()
    }

    /// What only the present knows.
    pub fn live<T>(&self, look: impl FnOnce() -> T) -> Option<T> {
        self.is_now().then(look)
    }

    /// A look at everything as it is or was; of the present, under the read lock.
    pub fn look<T>(&self, app: &App, build: impl FnOnce(Look<'_>) -> T) -> T {
        match &self.0 {
            None => app.look(build),
            Some(past) => build(look(app, past)),
        }
    }

    /// The same with the fleet's counts.
    pub fn look_counted<T>(&self, app: &App, build: impl FnOnce(Look<'_>, Counted) -> T) -> T {
        match &self.0 {
            None => app.look_counted(build),
            Some(past) => {
                let look = look(app, past);
                build(look, present::counted(look))
            }
        }
    }

    /// Every node's share of an answer.
    pub async fn each_node<T>(
        &self,
        app: &App,
        build: impl Fn(Look<'_>, &NodeName) -> Vec<T>,
    ) -> Vec<T> {
        match &self.0 {
            None => app.each_node(build).await,
            Some(past) => {
                let look = look(app, past);
                let names: BTreeSet<&NodeName> = present::node_names(look);
                names
                    .into_iter()
                    .flat_map(|name| build(look, name))
                    .collect()
            }
        }
    }

    /// Whether that was known then.
    pub fn knows(&self, seq: Seq) -> bool {
        self.0.as_ref().is_none_or(|past| seq <= past.world().head)
    }

    /// The query, but nothing that was not known then.
    pub fn bound(&self, mut filter: Filter) -> Filter {
        if let Some(past) = &self.0 {
            let after = past.world().head.next();
            filter.before = Some(filter.before.map_or(after, |before| before.min(after)));
        }
        filter
    }
}

fn look<'a>(app: &App, past: &'a Past) -> Look<'a> {
    Look {
        world: past.world(),
        drift: past.drift(),
        live: past,
        now: app.handle.local(past.at),
    }
}

/// What was beside the log then is not known any more. A node whose evidence was fresh was connected.
impl Live for Past {
    fn sample(&self, _: &NodeName) -> Option<&HostSample> {
        None
    }
    fn container_samples(&self, _: &NodeName) -> &[ContainerSample] {
        &[]
    }
    fn is_connected(&self, node: &NodeName) -> bool {
        let state = self.world().node(node);
        state.is_some_and(|n| n.evidence.state == EvidenceState::Fresh)
    }
    fn last_seen(&self, node: &NodeName) -> Option<Time> {
        self.is_connected(node).then_some(self.at)
    }
    fn troubles(&self) -> Vec<&Trouble> {
        Vec::new()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for When {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<When, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or(When::NOW))
    }
}

#[derive(Deserialize)]
struct Asked {
    at: Option<String>,
}

/// Finds the instant a request asks for, and says in the answer which it was.
pub async fn travel(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let asked = Query::<Asked>::try_from_uri(request.uri()).ok();
    let asked = asked.and_then(|q| q.0.at).filter(|t| !t.trim().is_empty());
    let Some(asked) = asked else {
        return next.run(request).await;
    };
    let found = match refused(&request) {
        Some(problem) => Err(problem),
        None => resolve(&app, &asked).await,
    };
    match found {
        Ok(past) => {
            let at = HeaderValue::from_str(&past.at.to_string());
            request.extensions_mut().insert(When(Some(past)));
            let mut response = next.run(request).await;
            if let Ok(at) = at {
                response.headers_mut().insert(AT, at);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// Why this request cannot be about the past.
fn refused(request: &Request) -> Option<Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(Problem::new(
            "past-readonly",
            "what has been cannot be changed",
            "leave `at` out: decide about what is now",
        ));
    }
    let path = request.extensions().get::<MatchedPath>();
    let shows = path.is_some_and(|p| PATHS.contains(&p.as_str()));
    (!shows).then(|| {
        Problem::new(
            "past-unknown",
            format!("{} tells of the present only", request.uri().path()),
            "leave `at` out; /api/docs shows it where it can be asked for",
        )
    })
}

async fn resolve(app: &App, asked: &str) -> Result<Past, Problem> {
    Ok(app.handle.past(instant(app, asked)?).await?)
}

/// Reads an instant as people write it.
pub fn instant(app: &App, text: &str) -> Result<Time, Problem> {
    let local = |at| app.handle.local(at);
    past::instant(text, app.handle.now(), local)
        .map_err(|e| Problem::new("bad-query", e.to_string(), "correct the instant"))
}

impl From<past::Error> for Problem {
    fn from(error: past::Error) -> Problem {
        Problem::new(error.code(), error.to_string(), error.remedy())
    }
}

/// How far back `?at=` can go.
#[utoipa::path(get, path = "/api/v1/past", operation_id = "get_past", tag = "fleet",
    responses((status = 200, body = api::PastSpan)))]
pub async fn get_past(State(app): State<App>) -> Result<Json<api::PastSpan>, Problem> {
    let earliest = app.handle.earliest().await?;
    Ok(Json(api::PastSpan {
        earliest: earliest.map(|at| at.to_string()),
        now: app.handle.now().at.to_string(),
    }))
}

/// Adds the parameter to every operation that takes it.
pub fn describe(api: &mut OpenApi) {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let parameter = ParameterBuilder::new()
        .name("at")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(
            "As it was at this instant: RFC 3339, a span ago (`2h`), or a time of day (`yesterday 03:00`).",
        ))
        .schema(Some(text))
        .build();
    for path in PATHS {
        let path = path.replace("{*", "{");
        let operation = api.paths.paths.get_mut(&path).and_then(|p| p.get.as_mut());
        if let Some(operation) = operation {
            let parameters = operation.parameters.get_or_insert_default();
            parameters.push(parameter.clone().into());
        }
    }
}
