//! The HTTP API, the live feed, the embedded pages.
//!
//! ```text
//! request ─► outermost (host name, headers, counting)
//!              ├─► open:    /summary /healthz /metrics /status, signing in, API description, error pages, the UI
//!              ├─► private: /api/v1/…   (token or session; same origin where it changes something; 30 s; `?at=` of the past)
//!              ├─► private: /api/v1/feed, …/policy/test, …/logs/follow, …/logs/search (the same, without the time limit)
//!              ├─► /prometheus/… (the same guard; Prometheus' own API and shapes)
//!              └─► agents:  /agent/…    (their own token, see `agents`)
//! ```
//!
//! A route reads its request, asks the engine or `present`, and answers. None decides anything by itself.

mod action;
mod advice;
mod app;
mod asset;
mod container;
mod docs;
mod event;
mod extract;
mod feed;
mod fleet;
mod guard;
mod history;
mod inventory;
mod logs;
mod message;
mod metrics;
mod models;
mod node;
mod overview;
mod past;
mod policy;
mod problem;
mod prometheus;
mod restraint;
mod rollout;
mod score;
mod search;
mod service;
mod session;
mod status;
mod trend;
mod trial;
mod vm;
mod why;

pub use app::{App, FleetProblems, Parts};
pub use docs::error_page;
pub(crate) use event::find;
pub use guard::{Hosts, Peer};
pub(crate) use history::reader;
pub use problem::{CODES, Problem};
pub use session::mint as mint_link;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route of the server. `agents`: what the agents dial, with its own authentication.
pub fn router(app: App, agents: Router) -> Router {
    let (private, _) = private().split_for_parts();
    let (live, _) = live().split_for_parts();
    let (open, _) = open().split_for_parts();
    let check = from_fn_with_state(app.clone(), guard::private);
    Router::new()
        .merge(
            private
                .layer(from_fn_with_state(app.clone(), past::travel))
                .layer(from_fn(guard::in_time))
                .layer(check.clone()),
        )
        .merge(
            live.layer(from_fn_with_state(app.clone(), past::travel))
                .layer(check),
        )
        .merge(open.layer(from_fn(guard::in_time)))
        .nest("/prometheus", prometheus::router(&app))
        .route("/api/openapi.json", get(docs::openapi))
        .route("/api/docs", get(docs::page))
        .route("/errors/{code}", get(docs::error))
        .route("/status", get(status::show))
        .route("/status.css", get(status::style))
        .route("/api", get(nothing_here))
        .route("/api/{*rest}", axum::routing::any(nothing_here))
        .fallback(asset::serve)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app.clone())
        .merge(agents)
        .layer(DefaultBodyLimit::max(extract::BODY_MAX))
        .layer(from_fn_with_state(app, guard::outermost))
}

fn private() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(session::get_session, session::sign_out))
        .routes(routes!(session::login_link))
        .routes(routes!(fleet::get_version))
        .routes(routes!(overview::get_overview))
        .routes(routes!(fleet::list_drift))
        .routes(routes!(fleet::get_desired))
        .routes(routes!(fleet::get_table))
        .routes(routes!(past::get_past))
        .routes(routes!(node::list_nodes))
        .routes(routes!(node::get_node))
        .routes(routes!(node::get_samples))
        .routes(routes!(score::get_node_score))
        .routes(routes!(score::get_score))
        .routes(routes!(history::get_history))
        .routes(routes!(history::list_history_series))
        .routes(routes!(trend::get_trends))
        .routes(routes!(vm::get_health))
        .routes(routes!(vm::get_cleanup_log))
        .routes(routes!(vm::get_cron_status))
        .routes(routes!(vm::list_containers))
        .routes(routes!(vm::list_unhealthy))
        .routes(routes!(vm::get_trend))
        .routes(routes!(vm::act::cleanup))
        .routes(routes!(vm::act::restart))
        .routes(routes!(vm::act::logs))
        .routes(routes!(vm::act::models))
        .routes(routes!(vm::act::load))
        .routes(routes!(vm::act::unload))
        .routes(routes!(service::list_services))
        .routes(routes!(service::get_service))
        .routes(routes!(container::list_containers))
        .routes(routes!(container::restart_containers))
        .routes(routes!(container::get_container))
        .routes(routes!(advice::get_memory_advice))
        .routes(routes!(advice::get_memory_patch))
        .routes(routes!(service::get_logs))
        .routes(routes!(service::get_health))
        .routes(routes!(service::get_unit_logs))
        .routes(routes!(inventory::get_inventory))
        .routes(routes!(models::list_models))
        .routes(routes!(models::load_model))
        .routes(routes!(models::unload_model))
        .routes(routes!(action::list_actions, action::start_action))
        .routes(routes!(action::get_action))
        .routes(routes!(action::get_why))
        .routes(routes!(action::get_estimate))
        .routes(routes!(action::approve_action))
        .routes(routes!(action::reject_action))
        .routes(routes!(action::cancel_action))
        .routes(routes!(event::list_events, event::record_event))
        .routes(routes!(event::get_event))
        .routes(routes!(why::get_reasons))
        .routes(routes!(restraint::list_locks, restraint::take_lock))
        .routes(routes!(restraint::beat_lock))
        .routes(routes!(restraint::release_lock))
        .routes(routes!(restraint::get_brake))
        .routes(routes!(restraint::release_brake))
        .routes(routes!(policy::get_policy))
        .routes(routes!(policy::get_verdict))
        .routes(routes!(message::list_alerts))
        .routes(routes!(message::list_messages))
        .routes(routes!(message::list_channels))
        .routes(routes!(message::test_channel))
        .routes(routes!(message::simulate_routes))
        .routes(routes!(rollout::list_rollouts, rollout::start_rollout))
        .routes(routes!(rollout::get_rollout))
        .routes(routes!(rollout::pause_rollout))
        .routes(routes!(rollout::resume_rollout))
        .routes(routes!(rollout::cancel_rollout))
        .routes(routes!(rollout::list_drills, rollout::start_drill))
}

fn live() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(feed::get_feed))
        .routes(routes!(logs::follow_logs))
        .routes(routes!(logs::follow_unit))
        .routes(routes!(search::search_logs))
        .routes(routes!(trial::test_policy))
}

fn open() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(session::sign_in))
        .routes(routes!(fleet::get_summary))
        .routes(routes!(fleet::get_health))
        .routes(routes!(status::get_status))
        .routes(routes!(metrics::get_metrics))
}

/// The whole description, as `/api/openapi.json` and `docs/openapi.json` have it.
pub fn description() -> OpenApi {
    let mut api = OpenApi::default();
    for part in [open(), private(), live()] {
        api.merge(part.into_openapi());
    }
    described(api)
}

/// What every operation has in common: who may call it, and how errors look.
fn described(mut api: OpenApi) -> OpenApi {
    let license = LicenseBuilder::new().name("Apache-2.0").build();
    api.info = InfoBuilder::new()
        .title("Stead")
        .version("1")
        .description(Some(
            "Runs a fleet in its owner's stead. Fields are only ever added within a version.",
        ))
        .license(Some(license))
        .build();
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    api.components
        .get_or_insert_default()
        .add_security_scheme("token", scheme);
    // What the router calls the rest of an address is a plain parameter to everybody else.
    let paths = std::mem::take(&mut api.paths.paths);
    api.paths.paths = paths
        .into_iter()
        .map(|(path, item)| (path.replace("{*", "{"), item))
        .collect();
    api.security = Some(vec![SecurityRequirement::new("token", [] as [&str; 0])]);
    past::describe(&mut api);
    problem::describe(&mut api);
    api
}

async fn nothing_here(request: Request) -> impl IntoResponse {
    let detail = format!("nothing answers at {}", request.uri().path());
    Problem::new("not-found", detail, "/api/docs lists what does")
}

async fn wrong_method(request: Request) -> impl IntoResponse {
    let detail = format!(
        "{} does not answer {}",
        request.uri().path(),
        request.method()
    );
    Problem::new(
        "method-not-allowed",
        detail,
        "/api/docs lists the methods of each address",
    )
}
