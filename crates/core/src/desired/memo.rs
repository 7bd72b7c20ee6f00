//! A content address that is worked out once, however often it is compared.
//!
//! It is no part of what it addresses: equal, copied, printed and written as if it were not there. A copy starts
//! without one, so that changing the copy cannot leave an old address behind.

use alloc::string::String;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Room for one SHA-256. Whoever comes first fills it; whoever comes at the same time fills in the same.
#[derive(Default)]
pub struct Memo {
    known: AtomicBool,
    words: [AtomicU64; 4],
}

impl Memo {
    /// Whether the address is `text`; `work` works it out, as 64 hexadecimal digits, the first time.
    pub(super) fn is(&self, text: &str, work: impl Fn() -> String) -> bool {
        let Some(asked) = words(text) else {
            return false;
        };
        if !self.known.load(Ordering::Acquire) {
            let Some(found) = words(&work()) else {
                return false;
            };
            for (word, value) in self.words.iter().zip(found) {
                word.store(value, Ordering::Relaxed);
            }
            self.known.store(true, Ordering::Release);
        }
        let known = [0, 1, 2, 3].map(|i: usize| self.words[i].load(Ordering::Relaxed));
        debug_assert_eq!(
            Some(known),
            words(&work()),
            "what was addressed has changed since"
        );
        known == asked
    }
}

fn words(text: &str) -> Option<[u64; 4]> {
    let lower = text
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if text.len() != 64 || !lower {
        return None;
    }
    let mut words = [0; 4];
    for (word, at) in words.iter_mut().zip([0, 16, 32, 48]) {
        *word = u64::from_str_radix(text.get(at..at + 16)?, 16).ok()?;
    }
    Some(words)
}

impl Clone for Memo {
    fn clone(&self) -> Memo {
        Memo::default()
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Memo) -> bool {
        true
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

#[cfg(test)]
mod tests {
    use crate::desired::ContainerDef;
    use alloc::string::ToString;

    #[test]
    fn the_address_is_the_digest_the_first_time_and_the_second() {
        let definition = ContainerDef {
            image: "app:1".to_string(),
            ..Default::default()
        };
        let digest = definition.digest();
        assert!(definition.has_digest(&digest) && definition.has_digest(&digest));
        assert!(!definition.has_digest(&digest.to_uppercase()));
        assert!(!definition.has_digest("app:1"));
        assert!(!definition.has_digest(""));
    }

    #[test]
    fn a_changed_copy_has_its_own_address() {
        let before = ContainerDef {
            image: "app:1".to_string(),
            ..Default::default()
        };
        assert!(before.has_digest(&before.digest()));
        let mut after = before.clone();
        after.image = "app:2".to_string();
        assert!(!after.has_digest(&before.digest()));
        assert!(after.has_digest(&after.digest()));
    }
}
