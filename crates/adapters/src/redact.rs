//! Takes secrets out of text before it leaves the node: the log that keeps it cannot forget.
//!
//! It works on shapes and errs towards hiding: passwords in URLs, authorization and cookie headers, values whose key
//! sounds secret (`DB_PASSWORD=…`, `"apiKey": "…"`, `--token …`), private keys, tokens with a known prefix, and long
//! runs that look drawn at random. Digests next to a word such as `sha256:` or `container` stay: people need them. It
//! cannot promise to find every secret, so texts known to be secret (a container's environment) are never sent at all.

use std::ops::Range;

/// What stands where a secret stood.
const MASK: &str = "***";
/// Longest answer that becomes a fact, in bytes.
pub const ANSWER: usize = 1024;

/// `text` with secrets masked, then cut to at most `max` bytes: a secret is not recognised once half of it is gone.
pub fn redact(text: &str, max: usize) -> String {
    let mut found = Vec::new();
    private_keys(text, &mut found);
    urls(text, &mut found);
    schemes(text, &mut found);
    keyed(text, &mut found);
    flags(text, &mut found);
    runs(text, &mut found);
    found.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for range in found {
        // Finders overlap; what an earlier one hid stays hidden.
        if range.end <= done {
            continue;
        }
        if range.start >= done {
            out.push_str(&text[done..range.start]);
            out.push_str(MASK);
        }
        done = range.end;
    }
    out.push_str(&text[done..]);
    cut(out, max)
}

/// An answer for people: redacted, without control characters other than line ends, at most [`ANSWER`] bytes.
pub fn answer(text: &str) -> String {
    let clean: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    redact(clean.trim_end(), ANSWER)
}

/// `text` cut to at most `max` bytes at a character boundary; the end shows that something is missing.
pub fn cut(mut text: String, max: usize) -> String {
    const MORE: &str = "…";
    if text.len() > max {
        let mut at = max.saturating_sub(MORE.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.truncate(at);
        if max >= MORE.len() {
            text.push_str(MORE);
        }
    }
    text
}

fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    const OPEN: &str = "PRIVATE KEY-----";
    let mut from = 0;
    while let Some(at) = text[from..].find(OPEN).map(|at| from + at) {
        let body = at + OPEN.len();
        let end = text[body..]
            .find("-----END")
            .map_or(text.len(), |end| body + end);
        // The closing line names the key as well.
        let end = text[end..]
            .find("KEY-----")
            .map_or(text.len(), |close| end + close + "KEY-----".len());
        let start = text[..at].rfind("-----BEGIN").unwrap_or(at);
        found.push(start.max(from)..end);
        from = end;
    }
}

/// The password of `scheme://user:password@host`.
fn urls(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let end =
            rest.find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace());
        let authority = &rest[..end.unwrap_or(rest.len())];
        // The last `@` ends the user part: passwords hold them too.
        if let Some(user) = authority.rfind('@')
            && let Some(colon) = authority[..user].find(':')
        {
            found.push(start + colon + 1..start + user);
        }
    }
}

/// `Bearer x`, `Basic x` wherever they stand; shorter values are ordinary words ("basic setup").
fn schemes(text: &str, found: &mut Vec<Range<usize>>) {
    for scheme in ["bearer ", "basic "] {
        for at in matches_ignoring_case(text, scheme) {
            let value = value_at(text, at + scheme.len(), false);
            if value.len() >= 12 {
                found.push(value);
            }
        }
    }
}

/// `KEY=VALUE`, `key: value`, `"key": "value"`, headers.
fn keyed(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, separator) in text.match_indices([':', '=']) {
        let rest = &text[at + 1..];
        if separator == ":" && rest.starts_with("//") {
            continue;
        }
        let before = text[..at].trim_end_matches([' ', '"', '\'']);
        let key_start = before
            .char_indices()
            .rev()
            .find(|(_, c)| !c.is_ascii_alphanumeric() && !"_-.".contains(*c))
            .map_or(0, |(i, c)| i + c.len_utf8());
        let key = &before[key_start..];
        let start = at + 1 + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
        let header = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
        ]
        .iter()
        .any(|h| key.eq_ignore_ascii_case(h));
        let value = value_at(text, start, header);
        let shown = &text[value.clone()];
        if !shown.is_empty() && shown != MASK && (header || sounds_secret(key, shown)) {
            found.push(value);
        }
    }
}

/// `--password VALUE`.
fn flags(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("--") {
        let rest = &text[at + 2..];
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
            .unwrap_or(rest.len());
        if rest[length..].starts_with(' ') {
            let value = value_at(text, at + 2 + length + 1, false);
            if !value.is_empty() && sounds_secret(&rest[..length], &text[value.clone()]) {
                found.push(value);
            }
        }
    }
}

/// Where the value that begins at `start` lies: inside its quotes, to the end of the word, or of the line.
fn value_at(text: &str, start: usize, whole_line: bool) -> Range<usize> {
    let rest = &text[start..];
    if let Some(quote) = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'))
    {
        let inner = start + 1;
        let end = text[inner..]
            .find([quote, '\n'])
            .map_or(text.len(), |end| inner + end);
        return inner..end;
    }
    let ends = |c: char| {
        if whole_line {
            matches!(c, '\n' | '\r' | '"' | '\'')
        } else {
            c.is_whitespace() || "\"',;&)}]<>|".contains(c)
        }
    };
    start..start + rest.find(ends).unwrap_or(rest.len())
}

fn sounds_secret(key: &str, value: &str) -> bool {
    const ANYWHERE: [&str; 12] = [
        "password",
        "passwd",
        "passphrase",
        "passwort",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "privatekey",
        "credential",
        "sessionid",
        "webhook",
    ];
    // `PWD` is where a shell stands.
    if key.is_empty() || key == "PWD" || key == "OLDPWD" || value == MASK {
        return false;
    }
    let key = key.to_ascii_lowercase();
    let joined: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    // `max_tokens=2048`
    let counts =
        joined.contains("token") && value.len() < 6 && value.bytes().all(|b| b.is_ascii_digit());
    if ANYWHERE.iter().any(|word| joined.contains(word)) {
        return !counts;
    }
    let mut parts = key.split(['_', '-', '.']).filter(|part| !part.is_empty());
    let last_is_key =
        parts.clone().next_back() == Some("key") && parts.clone().count() > 1 && value.len() >= 16;
    last_is_key
        || parts.any(|part| matches!(part, "pass" | "pwd" | "auth" | "pw" | "sig" | "signature"))
}

/// Tokens by themselves.
fn runs(text: &str, found: &mut Vec<Range<usize>>) {
    let token = |c: char| c.is_ascii_alphanumeric() || "_-+=".contains(c);
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (token(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                if looks_drawn(&text[..from], &text[from..at]) {
                    // The parts of a JWT, and of base64 with slashes, hang together.
                    let tail = &text[at..];
                    let more = tail
                        .find(|c: char| !token(c) && c != '.' && c != '/')
                        .unwrap_or(tail.len());
                    found.push(from..at + more);
                }
                start = None;
            }
            _ => {}
        }
    }
}

fn looks_drawn(before: &str, run: &str) -> bool {
    const PREFIXES: [&str; 15] = [
        "ghp_",
        "gho_",
        "ghs_",
        "ghu_",
        "github_pat_",
        "glpat-",
        "sk-",
        "sk_live_",
        "rk_live_",
        "whsec_",
        "xoxb-",
        "xoxp-",
        "AKIA",
        "AGE-SECRET-KEY-",
        "eyJ",
    ];
    if run.len() >= 16 && PREFIXES.iter().any(|prefix| run.starts_with(prefix)) {
        return true;
    }
    let hexadecimal = run.bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && names_a_digest(before) {
        return false;
    }
    run.split(['-', '_', '+', '=']).any(|part| {
        let count = |test: fn(&u8) -> bool| part.bytes().filter(test).count();
        let (upper, lower, digits) = (
            count(u8::is_ascii_uppercase),
            count(u8::is_ascii_lowercase),
            count(u8::is_ascii_digit),
        );
        let mixed = part.len() >= 20 && upper >= 2 && lower >= 2 && digits >= 2;
        let plain = part.len() >= 24 && digits >= 4 && upper + lower >= 4;
        mixed || plain
    })
}

fn names_a_digest(before: &str) -> bool {
    let mut start = before.len().saturating_sub(24);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let near = before[start..].to_ascii_lowercase();
    [
        "sha256",
        "sha512",
        "sha1",
        "container",
        "image",
        "digest",
        "commit",
        "layer",
    ]
    .iter()
    .any(|word| near.contains(word))
}

fn matches_ignoring_case<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let (bytes, word) = (text.as_bytes(), word.as_bytes());
    bytes
        .windows(word.len())
        .enumerate()
        .filter(move |(_, window)| window.eq_ignore_ascii_case(word))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        for (text, shown) in [
            (
                "postgres://app:hunter2@db:5432/x",
                "postgres://app:***@db:5432/x",
            ),
            ("http://u:p@ss@h/", "http://u:***@h/"),
            ("postgres://me:pa:ss@db/x", "postgres://me:***@db/x"),
            (
                "GET /x\nAuthorization: Bearer abc.def\nHost: h",
                "GET /x\nAuthorization: ***\nHost: h",
            ),
            ("cookie: a=b; c=d", "cookie: ***"),
            (
                "curl -H 'X: Bearer 0123456789abcdef'",
                "curl -H 'X: Bearer ***'",
            ),
            ("DB_PASSWORD=hunter2 LANG=C", "DB_PASSWORD=*** LANG=C"),
            ("token: x1 token: x2", "token: *** token: ***"),
            (
                r#"{"apiKey": "abc def", "n": 1}"#,
                r#"{"apiKey": "***", "n": 1}"#,
            ),
            (
                r#"{"client_secret":"x","n":1}"#,
                r#"{"client_secret":"***","n":1}"#,
            ),
            (
                "mysql --password hunter2 -h db",
                "mysql --password *** -h db",
            ),
            (
                "mysql --password=hunter2 -h db",
                "mysql --password=*** -h db",
            ),
            ("https://h/p?token=abc&x=1", "https://h/p?token=***&x=1"),
            ("DB_PASS='a b' next", "DB_PASS='***' next"),
            ("user ghp_abcdefghijklmnopqrst0123", "user ***"),
            (
                "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_x end",
                "jwt *** end",
            ),
            (
                "key 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c end",
                "key *** end",
            ),
            ("x AbCd1234EfGh5678IjKl/mnOP+qr== y", "x *** y"),
            (
                "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
                "a ***\nb",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMII", "***"),
        ] {
            assert_eq!(redact(text, 1024), shown);
            assert_eq!(redact(shown, 1024), shown, "hiding twice hides no more");
        }
    }

    #[test]
    fn what_people_need_to_read_stays() {
        for text in [
            "connect 127.0.0.1:1883: connection refused",
            "PWD=/root HOME=/root PATH=/usr/bin:/bin",
            "image sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "No such container: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "boot 0b1f6a0e-8f5c-4a52-9d43-2f7a4be21f10",
            "2026-11-21T03:08:11.123456Z my-very-long-service-name-with-words-2.service: exited",
            "max_tokens=2048 status: 200",
            "https://example.org:8443/a/b?x=1",
            "the token expired",
            "basic setup done",
            "",
        ] {
            assert_eq!(redact(text, 1024), text);
        }
    }

    #[test]
    fn any_text_is_survived_and_bounded() {
        for text in [
            "é=é",
            "password=é",
            "päss: ü",
            "://",
            "a://@",
            "--",
            "--token ",
            "=",
            ":",
            "'=\"",
            "é://é:é@é",
        ] {
            let _ = redact(text, 1024);
        }
        assert_eq!(cut("ééééé".into(), 7), "éé…");
        assert_eq!(cut("short".into(), 7), "short");
        assert_eq!(answer("a\u{1b}[31mb\r\n"), "a[31mb");
        assert!(redact(&"x ".repeat(10_000), 1024).len() <= 1024);
    }
}
