//! The server's secrets: from its environment, or one file each under `<data>/secrets`.
//!
//! A file that others can read is no secret any more and is refused, with what to do. Names come from the fleet's files,
//! so nothing but letters, digits, `-` and `_` reaches a path.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use stead_ports::secrets::{Secret, Secrets, Unavailable};

/// Largest secret.
const MOST: u64 = 64 * 1024;
/// In front of a secret's name in the environment.
const PREFIX: &str = "STEAD_SECRET_";

/// Secrets of one data directory.
#[derive(Debug)]
pub struct FileSecrets {
    folder: PathBuf,
}

impl FileSecrets {
    /// `data`: the server's data directory.
    pub fn of(data: &Path) -> FileSecrets {
        FileSecrets {
            folder: data.join("secrets"),
        }
    }

    fn read(&self, name: &str) -> Result<Secret, String> {
        let path = self.folder.join(name);
        let shown = format!("secrets/{name} in the data directory");
        // Not through a link: who may make one there could point at anything.
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&path);
        let file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!(
                "there is no secret {name:?}: put it into {shown} (chmod 600), or into {PREFIX}{}",
                variable(name)
            ),
            kind => format!("{shown} cannot be read ({kind})"),
        })?;
        let meta = file
            .metadata()
            .map_err(|error| format!("{shown} cannot be read ({})", error.kind()))?;
        if !meta.is_file() {
            return Err(format!("{shown} is no file"));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(format!(
                "{shown} can be read by others (mode {:03o}): `chmod 600` it, and change the secret if others are not to know it",
                meta.mode() & 0o777
            ));
        }
        let mut text = String::new();
        file.take(MOST + 1)
            .read_to_string(&mut text)
            .map_err(|_| format!("{shown} is no text"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() || text.len() as u64 > MOST {
            return Err(format!("{shown} is empty or larger than {MOST} bytes"));
        }
        Ok(Secret::new(text))
    }
}

impl Secrets for FileSecrets {
    fn secret(&self, name: &str) -> Result<Secret, Unavailable> {
        let fits = !name.is_empty()
            && name.len() <= 64
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fits {
            let shown: String = name.chars().take(64).collect();
            let text = format!("{shown:?} is no name of a secret: use letters, digits, - and _");
            return Err(Unavailable(text));
        }
        if let Ok(text) = std::env::var(format!("{PREFIX}{}", variable(name)))
            && !text.is_empty()
        {
            return Ok(Secret::new(text));
        }
        self.read(name).map_err(Unavailable)
    }
}

fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn put(data: &Path, name: &str, text: &str, mode: u32) {
        let folder = data.join("secrets");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_is_its_file_without_the_last_line_end() {
        let data = tempfile::tempdir().unwrap();
        put(data.path(), "hook", "s3cret\n", 0o600);
        let secrets = FileSecrets::of(data.path());
        assert_eq!(secrets.secret("hook").unwrap().expose(), "s3cret");
    }

    #[test]
    fn what_others_can_read_is_refused_and_never_shown() {
        for mode in [0o640, 0o604, 0o644, 0o620] {
            let data = tempfile::tempdir().unwrap();
            put(data.path(), "hook", "s3cret", mode);
            let refused = FileSecrets::of(data.path()).secret("hook").unwrap_err();
            assert!(refused.0.contains("chmod 600"), "{refused}");
            assert!(!refused.0.contains("s3cret"));
        }
    }

    #[test]
    fn names_stay_names_and_links_are_not_followed() {
        let data = tempfile::tempdir().unwrap();
        put(data.path(), "hook", "s3cret", 0o600);
        let secrets = FileSecrets::of(data.path());
        for bad in ["", "../hook", "a/b", ".hidden", "a b", "secret:x"] {
            assert!(secrets.secret(bad).is_err(), "{bad}");
        }
        let link = data.path().join("secrets/link");
        std::os::unix::fs::symlink(data.path().join("secrets/hook"), link).unwrap();
        assert!(secrets.secret("link").is_err());
        let absent = secrets.secret("other").unwrap_err();
        assert!(absent.0.contains("STEAD_SECRET_OTHER"), "{absent}");
    }
}
