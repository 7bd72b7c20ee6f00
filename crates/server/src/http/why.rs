//! Why something was done, and why nothing is. Row L13.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use stead_core::action::Action;
use stead_core::controller;
use stead_core::event::Event;
use stead_core::ids::{NodeName, Seq, ServiceName, nearest};
use stead_core::subject::Subject;
use stead_ports::log::Filter;
use stead_protocol::api;

use super::App;
use super::event::{find, numbered};
use super::extract::{Place, subject};
use super::past::When;
use super::problem::Problem;
use crate::present;

/// Causes shown before the event that raised an action.
const CAUSES: usize = 8;
/// Events about a subject that lead its page.
const EVENTS: usize = 12;

/// Why: of an action the chain from first event to last message; of a subject how it is and why nothing happens to it.
#[utoipa::path(get, path = "/api/v1/why/{*about}", operation_id = "get_reasons", tag = "why",
    params(("about" = String, Path, description = "`ID`, `ID#3`, `service/NODE/NAME`, `node/NAME`, `fleet`, or the name \
        of a service or node that there is one of")),
    responses((status = 200, body = api::Why)))]
pub async fn get_reasons(
    State(app): State<App>,
    when: When,
    Place(about): Place<String>,
) -> Result<Json<api::Why>, Problem> {
    let about = about.trim();
    if about.contains('/') || about == "fleet" {
        let subject = known(&app, &when, subject(&app, about)?)?;
        return of_subject(&app, &when, &subject).await.map(Json);
    }
    match super::action::any(&app, &when, about).await {
        Ok(action) => of_action(&app, &when, &action).await.map(Json),
        Err(unknown) => match named(&app, &when, about) {
            Some(subject) => of_subject(&app, &when, &subject).await.map(Json),
            None => Err(unknown),
        },
    }
}

/// The chain of an action, with the events it names and those that led to the first of them.
pub async fn of_action(app: &App, when: &When, action: &Action) -> Result<api::Why, Problem> {
    let mut events: BTreeMap<Seq, Event> = BTreeMap::new();
    for link in &action.chain {
        events.extend(numbered(app, link.seq).await?.map(|e| (e.seq, e)));
    }
    let mut cause = action
        .chain
        .first()
        .and_then(|l| events.get(&l.seq))
        .and_then(|e| e.cause);
    for _ in 0..CAUSES {
        let Some(event) = (match cause {
            Some(seq) => numbered(app, seq).await?,
            None => None,
        }) else {
            break;
        };
        cause = event.cause;
        events.insert(event.seq, event);
    }
    Ok(when.look(app, |look| present::why(look, action, &events)))
}

async fn of_subject(app: &App, when: &When, subject: &Subject) -> Result<api::Why, Problem> {
    let filter = Filter {
        subject: Some(subject.to_string()),
        newest_first: true,
        limit: EVENTS,
        ..Filter::default()
    };
    let mut events = find(app, when.bound(filter)).await?;
    events.reverse();
    Ok(when.look(app, |look| present::why_subject(look, subject, &events)))
}

/// The one service or node of that name.
fn named(app: &App, when: &When, name: &str) -> Option<Subject> {
    let service = ServiceName::new(name).ok();
    when.look(app, |look| {
        let world = look.world;
        let nodes = world.fleet.nodes.iter();
        let services = nodes.filter_map(|(node, desired)| {
            let service = service
                .as_ref()
                .filter(|s| desired.services.contains_key(*s))?;
            Some(Subject::Service(node.clone(), service.clone()))
        });
        let node = NodeName::new(name).ok().map(Subject::Node);
        let mut all = services.chain(node.filter(|n| controller::is_known(world, n)));
        let first = all.next()?;
        all.next().is_none().then_some(first)
    })
}

/// That there is such a thing at all: named by a file or seen on a node.
fn known(app: &App, when: &When, subject: Subject) -> Result<Subject, Problem> {
    let (found, near) = when.look(app, |look| {
        let world = look.world;
        if controller::is_known(world, &subject) {
            return (true, None);
        }
        let all = controller::known(world);
        let near = nearest(&subject.to_string(), all.iter().map(String::as_str));
        (false, near.map(|near| near.to_string()))
    });
    if found {
        return Ok(subject);
    }
    let remedy = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "see `stead services` and `stead nodes` for what there is".to_string(),
    };
    Err(Problem::new(
        "unknown-target",
        format!("there is no {subject}"),
        remedy,
    ))
}
