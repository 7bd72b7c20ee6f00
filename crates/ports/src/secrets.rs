//! What lets somebody in, by name. A secret is never part of the fleet, the log or a message of an error; it is asked for
//! when it is needed and forgotten after.

use std::fmt;

/// A secret's text. It shows itself to nobody who does not ask for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why there is no secret, and what to do. The text names the secret and never shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Gives secrets by name.
pub trait Secrets: fmt::Debug + Send + Sync + 'static {
    fn secret(&self, name: &str) -> Result<Secret, Unavailable>;
}

impl dyn Secrets {
    /// `text`, or where it is `secret:NAME`, the secret of that name.
    pub fn resolve(&self, text: &str) -> Result<Secret, Unavailable> {
        match text.strip_prefix("secret:") {
            Some(name) => self.secret(name),
            None => Ok(Secret::new(text)),
        }
    }
}

/// There are none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn secret(&self, name: &str) -> Result<Secret, Unavailable> {
        Err(Unavailable(format!("there is no secret {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        let none: &dyn Secrets = &NoSecrets;
        assert_eq!(
            none.resolve("plain").map(|s| s.expose().to_owned()),
            Ok("plain".to_owned())
        );
        assert!(none.resolve("secret:x").is_err());
    }
}
