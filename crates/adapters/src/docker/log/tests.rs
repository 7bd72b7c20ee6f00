//! Pieces as an engine sends them, and what becomes of them.

use super::*;

const STAMP: &str = "2026-11-21T08:30:00.123456789Z";

fn out(text: &str) -> LogOutput {
    LogOutput::StdOut {
        message: text.to_owned().into(),
    }
}

fn err(text: &str) -> LogOutput {
    LogOutput::StdErr {
        message: text.to_owned().into(),
    }
}

async fn joined(pieces: Vec<LogOutput>) -> Vec<LogLine> {
    let all = lines(stream::iter(pieces.into_iter().map(Ok)));
    all.map(|line| line.expect("a line")).collect().await
}

#[tokio::test]
async fn a_line_in_pieces_is_one_line_and_streams_do_not_mix() {
    let lines = joined(vec![
        out(&format!("{STAMP} one, ")),
        err(&format!("{STAMP} bad\n")),
        out(&format!("{STAMP} two\n")),
        out(&format!("{STAMP} open")),
    ])
    .await;
    let told: Vec<(bool, &str)> = lines.iter().map(|l| (l.error, &l.text[31..])).collect();
    assert_eq!(told, [(true, "bad"), (false, "one, two"), (false, "open")]);
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_cut_and_says_so() {
    let piece = "x".repeat(16 * 1024);
    let mut pieces = vec![out(&format!("{STAMP} {piece}")); 640];
    pieces.push(out(&format!("{STAMP} end\n")));
    pieces.push(out(&format!("{STAMP} next\n")));
    let lines = joined(pieces).await;
    assert_eq!(lines.len(), 2);
    assert!(lines[0].text.len() <= LINE, "{}", lines[0].text.len());
    let length = STAMP.len() + 1 + 640 * 16 * 1024 + "end\n".len();
    let note = format!("(cut: the line has {length} bytes or more)");
    assert!(lines[0].text.ends_with(&note), "{}", &lines[0].text[8000..]);
    assert_eq!(&lines[1].text[31..], "next");
}

#[test]
fn of_a_line_without_an_end_no_more_is_held_than_is_read() {
    let mut joiner = Joiner::default();
    for _ in 0..64 {
        let piece = out(&format!("{STAMP} {}", "x".repeat(16 * 1024)));
        assert_eq!(joiner.push(&piece), None);
    }
    assert_eq!(joiner.open[0].kept.len(), KEPT);
    assert!(joiner.open[0].length > 64 * 16 * 1024);
}

#[test]
fn a_search_looks_at_what_is_shown() {
    let name: ContainerName = "web".parse().expect("a name");
    let line = |text: &str| LogLine {
        error: false,
        text: redact(&format!("{STAMP} {text}"), LINE),
    };
    let found = matching(&name, line("GET /Index"), "get /index").expect("found");
    assert_eq!(
        (found.at.as_str(), found.text.as_str()),
        (STAMP, "GET /Index")
    );
    assert_eq!(matching(&name, line("password=hunter2"), "hunter2"), None);
    assert_eq!(
        matching(&name, line("nothing"), "2026-11"),
        None,
        "not in the stamp"
    );
}

#[test]
fn the_newest_lines_are_kept_and_the_rest_is_told_of() {
    let name: ContainerName = "web".parse().expect("a name");
    let found = |n: usize| Found {
        container: name.clone(),
        at: format!("{n:05}"),
        error: false,
        text: "x".repeat(2000),
    };
    let mut done = Searched {
        found: (0..2000).map(found).collect(),
        ..Searched::default()
    };
    newest(&mut done, 1000);
    assert!(
        done.found.len() <= FOUND_BYTES / 2000,
        "{}",
        done.found.len()
    );
    assert_eq!(done.found.last().expect("lines").at, "01999");
    assert_eq!(done.limits.len(), 1);
}
