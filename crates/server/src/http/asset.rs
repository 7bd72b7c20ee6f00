//! The web UI, embedded. Files are looked up by name in what was embedded and nowhere else: no path ever reaches a
//! file system (S18).

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
struct Ui;

pub async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let detail = format!("/{path} is a page, it does not answer {}", request.method());
        return Problem::new("method-not-allowed", detail, "use GET").into_response();
    }
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    match Ui::get(path).filter(|_| !hidden && !is_compressed(path)) {
        Some(file) => answer(path, &file, request.headers()),
        // A file that is not there is not a page of the UI. Pages may have dots: `/services/piha/nginx.service`.
        None if hidden
            || path.starts_with("assets/")
            || (!path.contains('/') && path.contains('.')) =>
        {
            let detail = format!("there is no file /{path}");
            Problem::new("not-found", detail, "open / and go on from there").into_response()
        }
        // Every other address is a page: the UI's own router knows it.
        None => match Ui::get("index.html") {
            Some(page) => answer("index.html", &page, request.headers()),
            None => Problem::new(
                "not-found",
                "this build has no web UI",
                "build it with `make build`",
            )
            .into_response(),
        },
    }
}

/// The compressed copies are served under their own file's name.
fn is_compressed(path: &str) -> bool {
    path.ends_with(".br") || path.ends_with(".gz")
}

fn answer(path: &str, file: &EmbeddedFile, asked: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..12].iter().map(|b| format!("{b:02x}")).collect();
    let (data, encoding) = best(path, file, asked);
    let etag = format!(
        "\"{tag}{}\"",
        encoding.map(|e| format!("-{e}")).unwrap_or_default()
    );
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok());
    let unchanged = known.is_some_and(|known| {
        known
            .split(',')
            .any(|k| k.trim().trim_start_matches("W/") == etag)
    });
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(match data {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        })
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(path)),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep(path)));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    if let (Some(encoding), false) = (encoding, unchanged) {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// The smallest form the browser takes.
fn best(
    path: &str,
    file: &EmbeddedFile,
    asked: &HeaderMap,
) -> (Cow<'static, [u8]>, Option<&'static str>) {
    let accepted = asked
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let takes = |name: &str| {
        accepted.split(',').any(|part| {
            let (coding, weight) = part.split_once(';').unwrap_or((part, ""));
            coding.trim().eq_ignore_ascii_case(name) && weight.replace(' ', "") != "q=0"
        })
    };
    for (name, ending) in [("br", "br"), ("gzip", "gz")] {
        if takes(name)
            && let Some(small) = Ui::get(&format!("{path}.{ending}"))
        {
            return (small.data, Some(name));
        }
    }
    (file.data.clone(), None)
}

/// Files with a hash in their name never change; everything else is asked for again.
fn keep(path: &str) -> &'static str {
    if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
