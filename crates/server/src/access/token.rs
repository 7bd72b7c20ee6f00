//! The two tokens of a data directory: `admin.token` for people and scripts, `agent.token` for agents.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{random, same};

/// Longest token file that is read.
const LONGEST: u64 = 4096;
/// A shorter token in a file was not made by Stead and can be guessed.
const SHORTEST: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} cannot be used: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} holds no usable token: it must be one line of at least {SHORTEST} characters")]
    Weak { path: PathBuf },
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Error::File { .. } => "token-file",
            Error::Weak { .. } => "token-weak",
            Error::Random(_) => "no-randomness",
        }
    }
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::File { .. } => {
                "check that the data directory exists and belongs to the user Stead runs as"
            }
            Error::Weak { .. } => "remove the file and start Stead again: it makes a new token",
            Error::Random(_) => "check that getrandom(2) works on this machine",
        }
    }
}

/// The tokens in force.
pub struct Tokens {
    admin: String,
    agent: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens { … }")
    }
}

impl Tokens {
    /// Reads the tokens of `data`, making those that are absent (256 random bits, mode 0600).
    pub fn open(data: &Path) -> Result<Tokens, Error> {
        Ok(Tokens {
            admin: read_or_make(&data.join("admin.token"))?,
            agent: read_or_make(&data.join("agent.token"))?,
        })
    }

    pub fn is_admin(&self, token: &str) -> bool {
        same(&self.admin, token)
    }
    pub fn is_agent(&self, token: &str) -> bool {
        same(&self.agent, token)
    }

    /// What sessions are tied to: with another admin token nobody stays signed in.
    pub(super) fn generation(&self) -> String {
        stead_core::ids::digest(format!("sessions of {}", self.admin).as_bytes())
    }
    /// Tells the cookies of two servers on one host apart; cookies know no ports.
    pub fn cookie_name(&self) -> String {
        format!("stead_{}", &self.generation()[..8])
    }
}

fn read_or_make(path: &Path) -> Result<String, Error> {
    let failed = |source: io::Error| Error::File {
        path: path.to_path_buf(),
        source,
    };
    match fs::File::open(path) {
        Ok(file) => {
            let mode = file.metadata().map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
            }
            let mut text = String::new();
            file.take(LONGEST)
                .read_to_string(&mut text)
                .map_err(failed)?;
            let token = text.trim().to_string();
            let usable = token.len() >= SHORTEST && !token.contains(char::is_whitespace);
            if usable {
                Ok(token)
            } else {
                Err(Error::Weak {
                    path: path.to_path_buf(),
                })
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let token = random(32)?;
            write_private(path, format!("{token}\n").as_bytes()).map_err(failed)?;
            Ok(token)
        }
        Err(e) => Err(failed(e)),
    }
}

/// Replaces a file that only its owner may read, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&part)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_made_once_private_and_kept() {
        let data = tempfile::tempdir().unwrap();
        let first = Tokens::open(data.path()).unwrap();
        let path = data.path().join("admin.token");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written.trim().len(), 64);
        assert!(first.is_admin(written.trim()));
        assert!(
            !first.is_agent(written.trim()),
            "an admin token is no agent token"
        );
        assert!(Tokens::open(data.path()).unwrap().is_admin(written.trim()));
        assert!(!first.is_admin(""));
        assert!(!first.is_admin(&written.trim()[..63]));
    }

    #[test]
    fn a_token_file_that_others_may_read_is_closed_and_an_empty_one_refused() {
        let data = tempfile::tempdir().unwrap();
        Tokens::open(data.path()).unwrap();
        let path = data.path().join("agent.token");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Tokens::open(data.path()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::write(&path, "\n").unwrap();
        assert_eq!(Tokens::open(data.path()).unwrap_err().code(), "token-weak");
    }
}
