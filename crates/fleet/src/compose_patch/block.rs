//! A key in a block of text: where it stands, where it would go.
//!
//! The tree says what is meant, the text says how it is written. A place is taken only where the two agree; what is written in
//! one line with braces, through an alias or by a variable is refused, with the line.

use crate::node::{Entry, Node, Value};

/// `text` with the value at `path` set: replaced where it stands, else added at the end of the innermost block there is.
/// `tree` is `text`, read.
pub(super) fn set(text: &str, tree: &Node, path: &[&str], value: &str) -> Result<String, String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut block = Block {
        entries: own(&lines, tree),
        indent: None,
    };
    for (depth, key) in path.iter().enumerate() {
        let Some(entry) = block.entries.iter().find(|entry| entry.key == *key) else {
            return add(&lines, &block, &path[depth..], value);
        };
        if depth + 1 == path.len() {
            return replace(&lines, entry, value);
        }
        block = inside(&lines, entry)?;
    }
    Err("nothing to set".into())
}

/// The entries of a map that stand in it as lines of their own.
struct Block<'a> {
    entries: Vec<&'a Entry>,
    /// Of the key the map belongs to.
    indent: Option<usize>,
}

/// Those entries of `node` whose key is written where the tree has it; merged and aliased ones are not.
fn own<'a>(lines: &[&str], node: &'a Node) -> Vec<&'a Entry> {
    let Value::Map(entries) = &node.value else {
        return Vec::new();
    };
    let mut own: Vec<&Entry> = entries
        .iter()
        .filter(|entry| {
            let rest = key_line(lines, entry).and_then(|(_, rest)| after_key(rest, &entry.key));
            rest.is_some()
        })
        .collect();
    own.sort_by_key(|entry| entry.key_at.line);
    own
}

/// The indentation of an entry that begins its line, and the line from the key on.
fn key_line<'l>(lines: &[&'l str], entry: &Entry) -> Option<(usize, &'l str)> {
    let line = lines.get((entry.key_at.line as usize).checked_sub(1)?)?;
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let rest = line.trim_start_matches(' ');
    let indent = line.len() - rest.len();
    (indent + 1 == entry.key_at.column as usize).then_some((indent, rest))
}

/// What follows `key:` on its line.
fn after_key<'l>(rest: &'l str, key: &str) -> Option<&'l str> {
    let quoted = |quote: char| {
        rest.strip_prefix(quote)?
            .strip_prefix(key)?
            .strip_prefix(quote)
    };
    let after = rest
        .strip_prefix(key)
        .or_else(|| quoted('"'))
        .or_else(|| quoted('\''))?;
    after.trim_start_matches(' ').strip_prefix(':')
}

/// The block below `entry`.
fn inside<'a>(lines: &[&str], entry: &'a Entry) -> Result<Block<'a>, String> {
    let line = entry.key_at.line;
    let by_hand = |what: &str| Err(format!("`{}` on line {line} {what}", entry.key));
    let Some((indent, rest)) = key_line(lines, entry) else {
        return by_hand("does not begin its line");
    };
    match after_key(rest, &entry.key).map(|after| without_comment(after).trim()) {
        Some("") => {}
        Some(after) if after.starts_with('*') => return by_hand("is an alias"),
        // An anchor alone is a mark, what follows is still a block.
        Some(after) if after.starts_with('&') && !after.contains(' ') => {}
        _ => return by_hand("is written in one line"),
    }
    let entries = own(lines, &entry.value);
    if entries.is_empty() {
        return by_hand("has no lines of its own to add to");
    }
    Ok(Block {
        entries,
        indent: Some(indent),
    })
}

/// A scalar's text where it stands, exchanged.
fn replace(lines: &[&str], entry: &Entry, value: &str) -> Result<String, String> {
    let at = entry.key_at.line as usize - 1;
    let by_hand = |what: &str| Err(format!("`{}` on line {} {what}", entry.key, at + 1));
    let Some(after) = key_line(lines, entry).and_then(|(_, rest)| after_key(rest, &entry.key))
    else {
        return by_hand("does not begin its line");
    };
    let token = without_comment(after).trim();
    if token.contains('$') {
        return by_hand("comes from a variable: change that where it is set");
    }
    let (Value::Scalar(_, text), false) = (
        &entry.value.value,
        token.starts_with(['&', '*', '!', '|', '>']),
    ) else {
        return by_hand("is no plain value");
    };
    let quote = ['"', '\'']
        .into_iter()
        .find(|quote| token.starts_with(*quote));
    let written = match quote {
        Some(quote) => format!("{quote}{text}{quote}"),
        None => text.clone(),
    };
    if written != token {
        return by_hand("goes on over several lines or is written in an unusual way");
    }
    let new = match quote {
        Some(quote) => format!("{quote}{value}{quote}"),
        None => value.to_owned(),
    };
    let line = lines[at];
    // From the end of the line: the token stands once after the key, and the key may contain it.
    let start = line.len() - after.len() + (after.len() - after.trim_start().len());
    let mut out: String = lines[..at].concat();
    out.push_str(&line[..start]);
    out.push_str(&new);
    out.push_str(&line[start + token.len()..]);
    out.push_str(&lines[at + 1..].concat());
    Ok(out)
}

/// The missing keys of `path`, below the last line of the block.
fn add(lines: &[&str], block: &Block<'_>, path: &[&str], value: &str) -> Result<String, String> {
    let first = block
        .entries
        .first()
        .and_then(|entry| Some((entry, key_line(lines, entry)?.0)));
    let (Some((first, indent)), Some(outer)) = (first, block.indent) else {
        return Err(format!("there is no place for `{}`", path.join(".")));
    };
    if block
        .entries
        .iter()
        .any(|entry| key_line(lines, entry).map(|(i, _)| i) != Some(indent))
    {
        return Err(format!(
            "the block on line {} is indented unevenly",
            first.key_at.line
        ));
    }
    let last = end(lines, first.key_at.line as usize - 1, indent);
    let step = indent.saturating_sub(outer).max(1);
    let eol = if lines[last].ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let mut out: String = lines[..=last].concat();
    let closed = out.ends_with('\n');
    if !closed {
        out.push_str(eol);
    }
    for (depth, key) in path.iter().enumerate() {
        let space = " ".repeat(indent + depth * step);
        let leaf = depth + 1 == path.len();
        let written = if leaf {
            format!("{space}{key}: {value}")
        } else {
            format!("{space}{key}:")
        };
        out.push_str(&written);
        if !leaf || closed {
            out.push_str(eol);
        }
    }
    out.push_str(&lines[last + 1..].concat());
    Ok(out)
}

/// The last line of the block that begins on `first`: blank lines and comments after it belong to what follows.
fn end(lines: &[&str], first: usize, indent: usize) -> usize {
    let mut last = first;
    for (index, line) in lines.iter().enumerate().skip(first + 1) {
        let text = line.trim_end();
        let depth = text.len() - text.trim_start_matches(' ').len();
        let comment = text.trim_start().starts_with('#');
        if text.is_empty() || (comment && depth <= indent) {
            continue;
        }
        if depth < indent {
            break;
        }
        last = index;
    }
    last
}

/// A line up to its comment, if it has one outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '#' && before.is_whitespace() => return &line[..at],
            None if (c == '"' || c == '\'') && before.is_whitespace() => quote = Some(c),
            None => {}
        }
        before = c;
    }
    line
}
