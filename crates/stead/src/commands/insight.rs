//! `score`, `trend`: how good it is, and where it leads.

use stead_protocol::api::{FleetScore, HistoryPoint, NodeScore, Trend, Trends};

use super::lists::segment;
use crate::args;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, clock, line, safe};

/// Columns of a drawn trend.
const COLUMNS: usize = 48;
/// Annotations told under a trend, the latest.
const ANNOTATIONS: usize = 5;
/// Trends drawn where no node is named.
const TRENDS: usize = 12;

pub async fn score(client: &Client, out: Output, args: args::Score) -> Result<(), Failure> {
    match args.node {
        Some(node) => {
            let path = format!("/api/v1/nodes/{}/score", segment(&node)?);
            let card: NodeScore = client.get(&path).await?;
            if out.json {
                out.json(&card);
            } else {
                node_card(out, &card);
            }
        }
        None => {
            let fleet: FleetScore = client.get("/api/v1/score").await?;
            if out.json {
                out.json(&fleet);
            } else {
                fleet_card(out, &fleet);
            }
        }
    }
    Ok(())
}

fn number(score: Option<u8>) -> String {
    score.map_or_else(|| "none yet".to_string(), |n| n.to_string())
}

fn partial(partial: bool) -> &'static str {
    if partial { " (partial)" } else { "" }
}

fn fleet_card(out: Output, fleet: &FleetScore) {
    line(&format!(
        "{} {}{}",
        out.bold("score"),
        out.bold(&number(fleet.score)),
        partial(fleet.partial)
    ));
    if fleet.score.is_none() {
        line("  No node has said anything yet. Start an agent: stead agent --server URL");
    }
    let rows = fleet.cards.iter().map(|card| {
        let lost = card.most_lost.as_ref();
        vec![
            card.node.clone(),
            format!("{}{}", number(card.score), partial(card.partial)),
            lost.map_or_else(String::new, |l| format!("{} −{}", l.title, l.lost)),
            lost.map_or_else(String::new, |l| safe(&l.measured)),
        ]
    });
    if !fleet.cards.is_empty() {
        out.table(&["node", "score", "most lost", "because"], rows.collect());
    }
}

fn node_card(out: Output, card: &NodeScore) {
    line(&format!(
        "{} {}{}",
        out.bold(&card.node),
        out.bold(&number(card.score)),
        partial(card.partial)
    ));
    for d in &card.dimensions {
        let points = d.points.map_or_else(|| "–".to_string(), |n| n.to_string());
        let title = format!("{:<15} {points:>2} of {:>2}", d.title, d.weight);
        line(&format!("  {title}  {}", safe(&d.measured)));
        if let Some(next) = &d.next {
            line(&format!("    {} would give {}", next.wants, next.points));
        }
        if let Some(fix) = &d.fix {
            line(&format!("    {}", safe(&fix.what)));
            if let Some(command) = &fix.command {
                line(&format!("    next: {command}"));
            }
        }
    }
}

pub async fn trend(client: &Client, out: Output, args: args::Trend) -> Result<(), Failure> {
    let metric = segment(&args.metric)?;
    let range = segment(&args.range)?;
    let mut path = format!("/api/v1/trends/{metric}?range={range}");
    if let Some(node) = &args.node {
        path.push_str(&format!("&node={}", segment(node)?));
    }
    let trends: Trends = client.get(&path).await?;
    if out.json {
        out.json(&trends);
        return Ok(());
    }
    line(&format!("{}, {}", out.bold(&trends.title), args.range));
    if trends.trends.is_empty() {
        line(
            "  Nothing was measured yet: the first step is recorded ten seconds after an agent connects.",
        );
    }
    for trend in trends.trends.iter().take(TRENDS) {
        one(out, trend);
    }
    let shown = trends.trends.len().min(TRENDS) as u64;
    if trends.total > shown {
        let more = trends.total - shown;
        line(&format!(
            "and {more} more: name a node by --node, or use --json"
        ));
    }
    Ok(())
}

fn one(out: Output, trend: &Trend) {
    let node = trend.node.as_deref().unwrap_or("fleet");
    let name = trend.name.as_deref().unwrap_or("");
    let title = format!("{node} {name}");
    line(&out.bold(&safe(title.trim())));
    line(&format!("  {}", spark(&trend.points, COLUMNS)));
    line(&format!("  {}", safe(&trend.sentence)));
    let old = trend.annotations.len().saturating_sub(ANNOTATIONS);
    for note in trend.annotations.iter().skip(old) {
        let text = format!(
            "  {}  {:<8} {}",
            clock(&note.at),
            note.kind,
            safe(&note.what)
        );
        line(&out.dim(&text));
    }
}

/// Points as one line of blocks, the oldest left. A column without a point is empty; between the lowest and the highest
/// value there are eight heights, and what does not move lies in the middle.
fn spark(points: &[HistoryPoint], columns: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return String::new();
    };
    let span = (last.0 - first.0).max(1) as f64;
    let mut sums = vec![(0.0, 0_u32); columns];
    for HistoryPoint(at, _, avg, _) in points {
        let share = (at - first.0) as f64 / span;
        let column = ((share * columns as f64) as usize).min(columns - 1);
        sums[column].0 += avg;
        sums[column].1 += 1;
    }
    let mean = |(sum, count): &(f64, u32)| (*count > 0).then(|| sum / f64::from(*count));
    let means: Vec<Option<f64>> = sums.iter().map(mean).collect();
    let known = || means.iter().flatten().copied();
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    let block = |mean: &Option<f64>| match mean {
        None => ' ',
        Some(_) if high <= low => BLOCKS[3],
        Some(mean) => {
            let height = (mean - low) / (high - low) * (BLOCKS.len() - 1) as f64;
            BLOCKS[(height.round() as usize).min(BLOCKS.len() - 1)]
        }
    };
    let drawn: String = means.iter().map(block).collect();
    drawn.trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(i64, f64)]) -> Vec<HistoryPoint> {
        let point = |(at, value): &(i64, f64)| HistoryPoint(*at, *value, *value, *value);
        values.iter().map(point).collect()
    }

    #[test]
    fn a_line_of_blocks_shows_height_time_and_gaps() {
        let rising = points(&[(0, 0.0), (1, 1.0), (2, 2.0), (4, 7.0)]);
        assert_eq!(spark(&rising, 5), "▁▂▃ █");
        assert_eq!(spark(&points(&[(0, 5.0), (1, 5.0)]), 2), "▄▄");
        assert_eq!(spark(&points(&[(7, 5.0)]), 3), "▄");
        assert_eq!(spark(&[], 3), "");
    }
}
