//! The inventory as JSON, CSV and Markdown.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use stead_core::ids::nearest;
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::Ask;
use super::past::When;
use super::problem::Problem;
use crate::inventory::{csv, markdown};
use crate::present;

const FORMATS: [&str; 3] = ["json", "csv", "markdown"];

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsFormat {
    /// `json` (the default), `csv` (the items) or `markdown` (a report).
    format: Option<String>,
}

/// Machines, stacks, containers, units, models and images, and what each product takes up.
#[utoipa::path(get, path = "/api/v1/inventory", operation_id = "get_inventory", tag = "inventory", params(AsFormat),
    responses((status = 200, body = api::Inventory)))]
pub async fn get_inventory(
    State(app): State<App>,
    when: When,
    Ask(asked): Ask<AsFormat>,
) -> Result<Response, Problem> {
    let format = asked.format.as_deref().unwrap_or("json");
    if !FORMATS.contains(&format) {
        let remedy = match nearest(format, FORMATS) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use one of {}", FORMATS.join(", ")),
        };
        let detail = format!("{format:?} is no format of the inventory");
        return Err(Problem::new("bad-query", detail, remedy));
    }
    let shares = when
        .each_node(&app, |look, name| vec![present::inventory_of(look, name)])
        .await;
    // What a Portainer tells is of now; of the past there is only what the log knows.
    let told = match when.is_now() {
        true => app.portainers.read(&app).await,
        false => Vec::new(),
    };
    let label = when.look(&app, |look| look.world.fleet.inventory.cost_label.clone());
    let (mut more, mut sources) = (Vec::new(), Vec::new());
    for (source, seen) in told {
        if let Some((name, seen)) = source.name.strip_prefix("portainer:").zip(seen.as_deref()) {
            more.extend(present::portainer_items(name, seen, &label));
        }
        sources.push(source);
    }
    let inventory = when.look(&app, |look| present::inventory(look, shares, more, sources));
    Ok(match format {
        "csv" => file("text/csv; charset=utf-8", "csv", csv(&inventory)),
        "markdown" => file("text/markdown; charset=utf-8", "md", markdown(&inventory)),
        _ => Json(inventory).into_response(),
    })
}

fn file(kind: &str, ending: &str, text: String) -> Response {
    let name = format!("attachment; filename=\"inventory.{ending}\"");
    let headers = [
        (CONTENT_TYPE, kind.to_string()),
        (CONTENT_DISPOSITION, name),
    ];
    (headers, text).into_response()
}
