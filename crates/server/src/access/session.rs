//! Browser sessions. In memory, and hashed in `<data>/sessions.json` so that a restart signs nobody out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use stead_core::ids::digest;
use stead_core::time::{Span, Time};
use tokio_util::sync::CancellationToken;

use super::token::write_private;
use super::{Error, Tokens, random};

const LIFE: Span = Span::days(30);
/// Sessions at the same time; a new one ends the oldest.
const MOST: usize = 1000;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    user: String,
    created_at: Time,
    expires_at: Time,
    /// Ends what the session has open (live feeds) when it ends itself.
    #[serde(skip)]
    closed: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    /// Of the admin token; sessions of another one are void.
    generation: String,
    /// By the digest of their cookie.
    sessions: BTreeMap<String, Session>,
}

/// A session that is in force.
#[derive(Debug, Clone)]
pub struct Found {
    pub user: String,
    pub expires_at: Time,
    pub closed: CancellationToken,
}

/// Every session in force.
pub struct Sessions {
    path: PathBuf,
    generation: String,
    sessions: Mutex<BTreeMap<String, Session>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions { … }")
    }
}

impl Sessions {
    /// Goes on with the sessions of `data`. A file that cannot be read means that everybody signs in again.
    pub fn open(data: &Path, tokens: &Tokens) -> Sessions {
        let path = data.join("sessions.json");
        let generation = tokens.generation();
        let stored = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Stored>(&bytes).ok());
        let sessions = stored
            .filter(|s| s.generation == generation)
            .map(|s| s.sessions)
            .unwrap_or_default();
        Sessions {
            path,
            generation,
            sessions: Mutex::new(sessions),
        }
    }

    /// A new session: its cookie value and when it ends.
    pub fn create(&self, now: Time, user: &str) -> Result<(String, Time), Error> {
        let cookie = random(32)?;
        let expires_at = now + LIFE;
        let session = Session {
            user: user.to_string(),
            created_at: now,
            expires_at,
            closed: CancellationToken::new(),
        };
        let mut sessions = self.lock();
        sessions.retain(|_, s| s.is_open(now));
        if sessions.len() >= MOST
            && let Some(oldest) = sessions
                .iter()
                .min_by_key(|(_, s)| s.created_at)
                .map(|(id, _)| id.clone())
        {
            sessions.remove(&oldest);
        }
        sessions.insert(digest(cookie.as_bytes()), session);
        self.keep(&sessions);
        Ok((cookie, expires_at))
    }

    pub fn find(&self, now: Time, cookie: &str) -> Option<Found> {
        let sessions = self.lock();
        // Looked up by a digest: what can be timed is no part of the secret.
        let session = sessions
            .get(&digest(cookie.as_bytes()))
            .filter(|s| s.is_open(now))?;
        Some(Found {
            user: session.user.clone(),
            expires_at: session.expires_at,
            closed: session.closed.clone(),
        })
    }

    /// Ends a session and closes what it has open.
    pub fn end(&self, cookie: &str) {
        let mut sessions = self.lock();
        if let Some(session) = sessions.remove(&digest(cookie.as_bytes())) {
            session.closed.cancel();
            self.keep(&sessions);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Not being able to write costs a sign-in after the next restart, no more.
    fn keep(&self, sessions: &BTreeMap<String, Session>) {
        let stored = Stored {
            generation: self.generation.clone(),
            sessions: sessions.clone(),
        };
        let bytes = serde_json::to_vec(&stored).unwrap_or_default();
        if let Err(error) = write_private(&self.path, &bytes) {
            tracing::warn!(path = %self.path.display(), %error, "sessions are not kept over a restart");
        }
    }
}

impl Session {
    fn is_open(&self, now: Time) -> bool {
        let open = now < self.expires_at;
        if !open {
            self.closed.cancel();
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_restart_signs_nobody_out_and_the_file_holds_no_cookie() {
        let data = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(data.path()).unwrap();
        let (cookie, until) = Sessions::open(data.path(), &tokens)
            .create(Time(0), "admin")
            .unwrap();
        let again = Sessions::open(data.path(), &tokens);
        assert_eq!(again.find(Time(1), &cookie).unwrap().user, "admin");
        assert!(again.find(until, &cookie).is_none(), "sessions end");
        assert!(again.find(Time(1), "").is_none());
        let path = data.path().join("sessions.json");
        assert!(!fs::read_to_string(&path).unwrap().contains(&cookie));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn signing_out_ends_the_session_here_and_after_a_restart_and_closes_what_is_open() {
        let data = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(data.path()).unwrap();
        let sessions = Sessions::open(data.path(), &tokens);
        let (cookie, _) = sessions.create(Time(0), "admin").unwrap();
        let found = sessions.find(Time(1), &cookie).unwrap();
        sessions.end(&cookie);
        assert!(found.closed.is_cancelled());
        assert!(sessions.find(Time(1), &cookie).is_none());
        assert!(
            Sessions::open(data.path(), &tokens)
                .find(Time(1), &cookie)
                .is_none()
        );
    }

    #[test]
    fn a_new_admin_token_signs_everybody_out() {
        let data = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(data.path()).unwrap();
        let (cookie, _) = Sessions::open(data.path(), &tokens)
            .create(Time(0), "admin")
            .unwrap();
        fs::remove_file(data.path().join("admin.token")).unwrap();
        let tokens = Tokens::open(data.path()).unwrap();
        assert!(
            Sessions::open(data.path(), &tokens)
                .find(Time(1), &cookie)
                .is_none()
        );
    }
}
