//! What every request to a service that the owner named has in common: it goes where the files say, with no redirect followed
//! and no proxy asked, and its answer is taken up to a bound.

use reqwest::{ClientBuilder, Response, redirect};

pub(crate) fn client() -> ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .user_agent(concat!("stead/", env!("CARGO_PKG_VERSION")))
}

/// The bytes of an answer; `None` where it has more than `most`.
pub(crate) async fn whole(
    mut answer: Response,
    most: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await? {
        if bytes.len() + more.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&more);
    }
    Ok(Some(bytes))
}

/// The innermost reason says what happened; those around it say where.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
