//! What a file of events holds. Pure: bytes in, values and complaints out.

use serde_json::Value;

/// One event of a file, or why there is none, with its line (from 1).
#[derive(Debug, PartialEq)]
pub struct Line {
    pub number: usize,
    pub value: Result<Value, Bad>,
}

/// What is wrong in a line.
#[derive(Debug, PartialEq)]
pub struct Bad {
    pub column: usize,
    pub why: String,
    /// It ends too early: more may be on its way.
    pub torn: bool,
}

fn bad(error: &serde_json::Error) -> Bad {
    Bad {
        column: error.column(),
        why: error.to_string(),
        torn: error.is_eof(),
    }
}

/// One JSON value: an event, or a list of them.
pub fn whole(bytes: &[u8]) -> Vec<Line> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Array(list)) => list
            .into_iter()
            .map(|v| Line {
                number: 1,
                value: Ok(v),
            })
            .collect(),
        Ok(value) => vec![Line {
            number: 1,
            value: Ok(value),
        }],
        Err(error) => vec![Line {
            number: error.line().max(1),
            value: Err(bad(&error)),
        }],
    }
}

/// One JSON value a line; blank lines are none. `first`: number of the first line.
pub fn each(bytes: &[u8], first: usize) -> Vec<Line> {
    bytes
        .split(|b| *b == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(i, line)| {
            let value = serde_json::from_slice(line).map_err(|e| bad(&e));
            Line {
                number: first + i,
                value,
            }
        })
        .collect()
}

/// The part of `bytes` that ends with a whole line.
pub fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_holds_one_event_or_a_list() {
        assert_eq!(
            whole(br#"{"a":1}"#),
            [Line {
                number: 1,
                value: Ok(json!({"a": 1}))
            }]
        );
        assert_eq!(whole(b"[1,2]").len(), 2);
        let torn = &whole(b"{\n \"a\": ")[0];
        assert_eq!(torn.number, 2);
        assert!(torn.value.as_ref().unwrap_err().torn);
        assert!(!whole(b"{]")[0].value.as_ref().unwrap_err().torn);
        assert!(whole(b"")[0].value.as_ref().unwrap_err().torn);
    }

    #[test]
    fn lines_are_read_one_by_one_and_a_bad_one_does_not_hide_the_next() {
        let lines = each(b"{\"a\":1}\n\nnonsense\n{\"b\":2}\n", 7);
        assert_eq!(
            lines.iter().map(|l| l.number).collect::<Vec<_>>(),
            [7, 9, 10]
        );
        assert!(lines[1].value.is_err() && lines[2].value.is_ok());
        assert_eq!(whole_lines(b"a\nb\nc"), b"a\nb\n");
        assert_eq!(whole_lines(b"abc"), b"");
    }
}
