//! The API description, a page that lists it, and a page for every error code.

use axum::Json;
use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use pulldown_cmark::{Options, Parser, html};
use rust_embed::RustEmbed;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

use super::description;
use super::problem::Problem;
use crate::present::escape;

#[derive(RustEmbed)]
#[folder = "../../docs/errors"]
struct Errors;

/// The text of the page of an error code.
pub fn error_page(code: &str) -> Option<String> {
    // Codes are words; nothing else is looked up.
    if !code
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return None;
    }
    match Errors::get(&format!("{code}.md")) {
        Some(file) => String::from_utf8(file.data.into_owned()).ok(),
        None => fleet_section(code),
    }
}

/// Problems of fleet files share one page, made from the code of the fleet's grammar.
fn fleet_section(code: &str) -> Option<String> {
    let page = Errors::get("fleet.md")?;
    let page = String::from_utf8(page.data.into_owned()).ok()?;
    let (_, rest) = page.split_once(&format!("\n### `{code}`\n"))?;
    let section = rest.split("\n#").next().unwrap_or("").trim();
    Some(format!(
        "# {code}\n\n{section}\n\n## What to do\n\n`stead check DIR` names file, line and column, and the nearest \
         valid key. Correct it there; the files are read again on change. All problems: [fleet](/errors/fleet).\n"
    ))
}

pub async fn openapi() -> Json<OpenApi> {
    Json(description())
}

pub async fn error(Path(code): Path<String>) -> Response {
    let code = code.trim_end_matches(".md");
    let Some(text) = error_page(code) else {
        let detail = format!("there is no error code {code}");
        return Problem::new("not-found", detail, "see docs/errors for all of them")
            .into_response();
    };
    let mut body = String::new();
    html::push_html(&mut body, Parser::new_ext(&text, Options::ENABLE_TABLES));
    document(code, &body).into_response()
}

/// Every address with what it does, and where the machine-readable description is.
pub async fn page() -> Html<String> {
    let api = description();
    let mut body = String::from(
        "<h1>The API of Stead</h1><p>Machine-readable: <a href=\"/api/openapi.json\">/api/openapi.json</a> (OpenAPI \
         3.1). Send <code>Authorization: Bearer</code> with the token of <code>&lt;data&gt;/admin.token</code>. Errors \
         are <code>application/problem+json</code> with <code>code</code>, <code>detail</code> and \
         <code>remedy</code>.</p><table><thead><tr><th>Method<th>Address<th>What it does</thead>",
    );
    for (path, item) in &api.paths.paths {
        let operations: [(&str, &Option<Operation>); 4] = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("DELETE", &item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            let what = operation.summary.as_deref().unwrap_or("");
            let path = escape(path);
            body.push_str(&format!(
                "<tr><td>{method}<td><code>{path}</code><td>{}",
                escape(what)
            ));
        }
    }
    body.push_str("</table>");
    document("API", &body)
}

/// Plain on purpose: the pages' policy allows no style of their own, and they must be readable without any.
fn document(title: &str, body: &str) -> Html<String> {
    let title = escape(title);
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title} · Stead</title>\
         <main>{body}</main></html>"
    ))
}
