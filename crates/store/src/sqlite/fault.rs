//! What SQLite's errors mean for the log. A pure table: the same code always ends in the same verdict.

use stead_core::ids::Seq;
use stead_ports::log::Error;

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No space; SQLite has rolled the transaction back.
    Full,
    /// The shared index of the write-ahead file could not be made: no space, or something worse.
    Index(String),
    /// Reading or writing the file failed.
    Io(String),
    /// The file is no intact database.
    Damaged(String),
    /// Somebody else holds the database.
    Busy(String),
    /// Another epoch leads; SQLite has undone the statement.
    Fenced,
    Other(String),
}

/// SQLite's primary result codes.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;
/// Extended code of `CONSTRAINT`: only the fence raises it.
const TRIGGER: i32 = 7;
/// Extended codes of `IO`.
const SHORT_READ: i32 = 2;
const SHM_OPEN: i32 = 18;
const SHM_SIZE: i32 = 19;
const SHM_MAP: i32 = 21;
const CORRUPT_FS: i32 = 33;

impl Fault {
    fn of_code(code: i32, text: String) -> Fault {
        match (code & 0xFF, code >> 8) {
            (FULL, _) => Fault::Full,
            (CORRUPT | NOT_A_DATABASE, _) | (IO, SHORT_READ | CORRUPT_FS) => Fault::Damaged(text),
            (IO, SHM_OPEN | SHM_SIZE | SHM_MAP) => Fault::Index(text),
            (IO, _) => Fault::Io(text),
            (BUSY | LOCKED, _) => Fault::Busy(text),
            (CONSTRAINT, TRIGGER) => Fault::Fenced,
            _ => Fault::Other(text),
        }
    }

    fn text(self) -> String {
        match self {
            Fault::Full => "the disk is full".to_owned(),
            Fault::Fenced => "another leader has the log".to_owned(),
            Fault::Index(text)
            | Fault::Io(text)
            | Fault::Damaged(text)
            | Fault::Busy(text)
            | Fault::Other(text) => text,
        }
    }

    /// The verdict where nothing was being changed. `near` is the record that was looked for.
    pub fn reading(self, near: Seq) -> Error {
        match self {
            Fault::Damaged(why) => Error::Corrupt { seq: near, why },
            other => Error::Read(other.text()),
        }
    }

    /// The verdict where something was being changed. `no_space`: the disk has no free block.
    pub fn writing(self, near: Seq, no_space: bool) -> Error {
        match self {
            Fault::Full => Error::Full,
            Fault::Index(_) if no_space => Error::Full,
            Fault::Damaged(why) => Error::Corrupt { seq: near, why },
            Fault::Busy(text) => Error::Locked(text),
            other => Error::Fatal(other.text()),
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Fault {
        let text = error.to_string();
        match &error {
            sqlx::Error::Database(inner) => {
                let code = inner.code().and_then(|code| code.parse().ok());
                Fault::of_code(code.unwrap_or(-1), text)
            }
            // A value of the wrong type, a row that is not there: the tables are not as they were written.
            sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::TypeNotFound { .. } => Fault::Damaged(text),
            sqlx::Error::Io(_) => Fault::Io(text),
            _ => Fault::Other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_code_ends_in_its_verdict() {
        let verdict =
            |code: i32, no_space| Fault::of_code(code, "text".into()).writing(Seq(7), no_space);
        assert!(matches!(verdict(13, false), Error::Full));
        assert!(matches!(verdict(10 | 19 << 8, true), Error::Full));
        assert!(matches!(verdict(10 | 19 << 8, false), Error::Fatal(_)));
        // SQLITE_IOERR_FSYNC and SQLITE_IOERR_WRITE: nobody knows what reached the disk, full or not.
        for code in [10 | 4 << 8, 10 | 3 << 8] {
            assert!(matches!(verdict(code, true), Error::Fatal(_)));
        }
        for code in [11, 26, 11 | 1 << 8] {
            assert!(matches!(
                verdict(code, false),
                Error::Corrupt { seq: Seq(7), .. }
            ));
        }
        assert!(matches!(verdict(5, false), Error::Locked(_)));
        assert_eq!(Fault::of_code(19 | 7 << 8, String::new()), Fault::Fenced);
        assert!(matches!(verdict(1, false), Error::Fatal(_)));
    }
}
