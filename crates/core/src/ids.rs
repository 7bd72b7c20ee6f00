//! Names. Cheap to clone (shared text), checked once at the edge, never empty.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// Longest name accepted, in bytes. systemd allows 255 for units, Docker less for containers.
pub const MAX_NAME: usize = 255;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {what}: {why}")]
pub struct InvalidName {
    pub what: &'static str,
    pub text: String,
    pub why: &'static str,
}

fn check(what: &'static str, text: &str) -> Result<(), InvalidName> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_NAME {
        "it is longer than 255 bytes"
    } else if text.starts_with('-') {
        "it starts with '-'"
    } else if text == "." || text == ".." || text.contains("..") {
        "it contains '..'"
    } else if text
        .chars()
        .any(|c| c == '/' || c.is_control() || c.is_whitespace())
    {
        "it contains '/', white space or a control character"
    } else {
        return Ok(());
    };
    let shown: String = text.chars().take(80).collect();
    Err(InvalidName {
        what,
        text: shown,
        why,
    })
}

/// A model's name may have a registry, a namespace and a tag: `registry.example:5000/team/gemma3:4b`.
fn check_model(what: &'static str, text: &str) -> Result<(), InvalidName> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/'));
    let bad = |why| InvalidName {
        what,
        text: text.chars().take(80).collect(),
        why,
    };
    if text.len() > MAX_NAME {
        return Err(bad("it is longer than 255 bytes"));
    }
    if text.contains(odd) {
        return Err(bad("it contains what no model name has"));
    }
    text.split('/').try_for_each(|part| check(what, part))
}

macro_rules! names {
    ($check:ident: $($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it a name.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                $check($what, text)?;
                Ok(Self(Arc::from(text)))
            }
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl core::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> { Self::new(text) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&*self.0, f) }
        }
        impl core::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str { &self.0 }
        }
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool { &*self.0 == other }
        }
        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool { &*self.0 == *other }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(&self.0) }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V;
                impl serde::de::Visitor<'_> for V {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str($what) }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                d.deserialize_str(V)
            }
        }
    )*};
}

names! {
    check:
    /// A machine of the fleet.
    NodeName = "node name";
    /// Something that should run on a node.
    ServiceName = "service name";
    /// A container, as its engine names it (without the leading slash).
    ContainerName = "container name";
    /// A systemd unit, with its suffix.
    UnitName = "unit name";
    /// A check of a service; unique within it.
    CheckName = "check name";
    /// A job of a node.
    JobName = "job name";
}

names! {
    check_model:
    /// A language model, as the server that runs it names it.
    ModelName = "model name";
}

/// Position of an event in the log. The first event has 1; 0 means before everything.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    pub const ZERO: Seq = Seq(0);
    /// The next position.
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The lower-case hexadecimal SHA-256 of `bytes`: how documents, plans and recorded files are addressed.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(bytes);
    let mut text = String::with_capacity(64);
    for byte in hash.iter() {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

/// The known name nearest to `text` by edit distance, if one is near enough to be a slip of the finger.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let limit = (text.chars().count() / 2).clamp(1, 4);
    known
        .into_iter()
        .map(|k| (distance(text, k), k))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k.to_owned())
}

/// Edit distance with transpositions counted once (optimal string alignment), ignoring ASCII case.
fn distance(a: &str, b: &str) -> usize {
    let a: alloc::vec::Vec<char> = a.chars().map(|c| c.to_ascii_lowercase()).collect();
    let b: alloc::vec::Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let width = b.len() + 1;
    let mut rows = alloc::vec![0usize; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let swap = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[(i - 1) * width + j] + 1)
                    .min(rows[i * width + j - 1] + 1)
                    .min(rows[(i - 1) * width + j - 1] + swap);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_or_become_an_option_are_refused() {
        for bad in ["", "..", "a/../b", "../x", "-rf", "a b", "a\nb", "a/b"] {
            assert!(ContainerName::new(bad).is_err(), "{bad:?}");
        }
        assert!(UnitName::new("getty@tty1.service").is_ok());
        for good in [
            "gemma3",
            "llama3.2:3b-instruct-q4_K_M",
            "registry.example:5000/team/gemma3:4b",
        ] {
            assert!(ModelName::new(good).is_ok(), "{good:?}");
        }
        for bad in [
            "", "/", "a//b", "a/../b", "-x", "a/-x", "a b", "a@b", "a~b", "é",
        ] {
            assert!(ModelName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nearest_finds_slips_and_refuses_strangers() {
        assert_eq!(
            nearest("contianer", ["container", "compose"]).as_deref(),
            Some("container")
        );
        assert_eq!(nearest("zebra", ["container", "compose"]), None);
    }
}
