//! Two texts as a unified diff, as `git apply` and `patch -p1` read it.
//!
//! For small changes to files people write: what is equal at both ends is passed over, the rest is compared line by line, and
//! where that would be large it is shown as one exchange.

/// Lines shown around a change.
const CONTEXT: usize = 3;
/// Lines of the differing middle up to which the shortest diff is looked for.
const COMPARED: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Remove,
    Insert,
}

/// Empty when the texts are equal.
pub(super) fn unified(file: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let (a, b): (Vec<&str>, Vec<&str>) = (lines(before), lines(after));
    let steps = steps(&a, &b);
    let mut out = format!("--- a/{file}\n+++ b/{file}\n");
    for (from, to) in hunks(&steps) {
        hunk(&mut out, &a, &b, &steps, from, to);
    }
    out
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn steps(a: &[&str], b: &[&str]) -> Vec<Step> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a_rest, b_rest) = (&a[head..], &b[head..]);
    let tail = a_rest
        .iter()
        .rev()
        .zip(b_rest.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (a_middle, b_middle) = (
        &a_rest[..a_rest.len() - tail],
        &b_rest[..b_rest.len() - tail],
    );
    let mut steps = vec![Step::Keep; head];
    steps.extend(middle(a_middle, b_middle));
    steps.extend(std::iter::repeat_n(Step::Keep, tail));
    steps
}

/// The shortest way from `a` to `b`, by the longest common part.
fn middle(a: &[&str], b: &[&str]) -> Vec<Step> {
    let exchange = |a: usize, b: usize| {
        let removed = std::iter::repeat_n(Step::Remove, a);
        removed.chain(std::iter::repeat_n(Step::Insert, b))
    };
    if a.len() > COMPARED || b.len() > COMPARED {
        return exchange(a.len(), b.len()).collect();
    }
    // common[i][j]: lines that a[i..] and b[j..] have in common.
    let mut common = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            steps.push(Step::Keep);
            (i, j) = (i + 1, j + 1);
        } else if common[i + 1][j] >= common[i][j + 1] {
            steps.push(Step::Remove);
            i += 1;
        } else {
            steps.push(Step::Insert);
            j += 1;
        }
    }
    steps.extend(exchange(a.len() - i, b.len() - j));
    steps
}

/// Ranges of steps with their context; those that touch are one.
fn hunks(steps: &[Step]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        if *step == Step::Keep {
            continue;
        }
        let (from, to) = (
            at.saturating_sub(CONTEXT),
            (at + CONTEXT + 1).min(steps.len()),
        );
        match hunks.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => hunks.push((from, to)),
        }
    }
    hunks
}

fn hunk(out: &mut String, a: &[&str], b: &[&str], steps: &[Step], from: usize, to: usize) {
    let count = |range: &[Step], not: Step| range.iter().filter(|step| **step != not).count();
    let (mut i, mut j) = (
        count(&steps[..from], Step::Insert),
        count(&steps[..from], Step::Remove),
    );
    let (removed, added) = (
        count(&steps[from..to], Step::Insert),
        count(&steps[from..to], Step::Remove),
    );
    // A range of no lines names the line before it.
    let start = |at: usize, lines: usize| if lines == 0 { at } else { at + 1 };
    out.push_str(&format!(
        "@@ -{},{removed} +{},{added} @@\n",
        start(i, removed),
        start(j, added)
    ));
    for step in &steps[from..to] {
        let (sign, line) = match step {
            Step::Keep => (' ', a[i]),
            Step::Remove => ('-', a[i]),
            Step::Insert => ('+', b[j]),
        };
        i += usize::from(*step != Step::Insert);
        j += usize::from(*step != Step::Remove);
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}
