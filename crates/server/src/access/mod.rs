//! Who may come in: access tokens, one-time login links, browser sessions, and the brake on guessing.
//!
//! Secrets are kept hashed wherever they only need to be recognised, compared in constant time, and never shown by
//! `Debug`. Nothing here knows HTTP.

mod limiter;
mod link;
mod session;
mod token;

pub use limiter::Limiter;
pub use link::Links;
pub use session::{Found, Sessions};
pub use token::{Error, Tokens};

use stead_core::ids::digest;
use subtle::ConstantTimeEq;

/// Random bytes as lower-case hexadecimal.
#[allow(clippy::disallowed_methods)]
fn random(bytes: usize) -> Result<String, Error> {
    let mut buffer = vec![0u8; bytes];
    getrandom::fill(&mut buffer).map_err(|e| Error::Random(e.to_string()))?;
    Ok(buffer.iter().map(|b| format!("{b:02x}")).collect())
}

/// Whether two texts are equal, in a time that tells nothing about where they differ, nor about their lengths.
fn same(a: &str, b: &str) -> bool {
    digest(a.as_bytes())
        .as_bytes()
        .ct_eq(digest(b.as_bytes()).as_bytes())
        .into()
}
