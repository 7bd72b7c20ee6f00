//! What the CLI prints: tables for people, JSON for scripts, colours only on terminals.

use std::io::IsTerminal;

use comfy_table::{Cell, ContentArrangement, Table, presets};
pub use stead_core::insight::amount::bytes;

use crate::args::{Color, Global};

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
    pub color: bool,
}

impl Output {
    pub fn new(global: &Global) -> Output {
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
            }
        };
        Output {
            json: global.json,
            color,
        }
    }

    /// Prints `value` as JSON on one line per top-level value, indented on terminals.
    pub fn json<T: serde::Serialize>(&self, value: &T) {
        let text = if std::io::stdout().is_terminal() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        line(&text.unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}")));
    }

    pub fn table(&self, head: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        if !std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        table.set_header(
            head.iter()
                .map(|h| Cell::new(h.to_uppercase()))
                .collect::<Vec<_>>(),
        );
        for row in rows {
            table.add_row(row);
        }
        for text in table.to_string().lines() {
            line(text.trim_end());
        }
    }

    /// A state word in its colour: green stays for what is well, red for what is not.
    pub fn state(&self, word: &str) -> String {
        let code = match word {
            "ready" | "healthy" | "fresh" | "completed" | "passing" | "up" | "delivered"
            | "done" | "passed" | "yes" => "32",
            "unhealthy" | "missing" | "failed" | "critical" | "failing" | "down" | "engaged"
            | "no" => "31",
            "ask" | "refused" | "pending" | "approved" | "running" | "starting" | "warning"
            | "waiting" | "working" | "paused" => "33",
            "maintenance" | "window" | "backup" | "restore" | "locked" => "34",
            _ => "2",
        };
        self.paint(code, word)
    }

    /// Says that what follows was.
    pub fn moment(&self, at: Option<&str>) {
        if let Some(at) = at {
            let at = at.get(..19).unwrap_or(at).replace('T', " ");
            line(&self.dim(&format!("as it was at {at} UTC")));
        }
    }

    pub fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }
    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }
}

/// Prints a line; a reader that has gone (`| head`) is no error.
pub fn line(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").is_err() {
        std::process::exit(0);
    }
}

/// What came from elsewhere, safe for a terminal: no control characters, bounded.
pub fn safe(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .take(2_000)
        .collect()
}

/// `1.4 s`, `250 ms`, `3 min`.
pub fn took(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => format!("{} min", ms / 60_000),
    }
}

/// Date and time of an RFC 3339 instant, to the minute.
pub fn clock(at: &str) -> String {
    at.get(..16).unwrap_or(at).replace('T', " ")
}

/// `3 min ago` of an RFC 3339 instant.
pub fn ago(at: &str) -> String {
    let (Ok(at), Ok(now)) = (
        at.parse::<stead_core::time::Time>(),
        std::time::SystemTime::UNIX_EPOCH.elapsed(),
    ) else {
        return at.to_string();
    };
    let secs = (i64::try_from(now.as_millis()).unwrap_or(i64::MAX) - at.0) / 1000;
    match secs {
        ..0 => "in a moment".to_string(),
        0..60 => format!("{secs} s ago"),
        60..3600 => format!("{} min ago", secs / 60),
        3600..86_400 => format!("{} h ago", secs / 3600),
        _ => format!("{} d ago", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_shown_plainly() {
        assert_eq!(safe("a\u{1b}[31mb\nc"), "a[31mbc");
    }
}
