//! What is said of numbers made by hand.

use stead_ports::history::{Labels, Point as Kept};

use super::*;

const NOW: Time = Time(1_795_000_000_000);

/// An hour apart for ten days; `value` of the day since the first.
fn series(metric: &Metric, labels: &[(&str, &str)], value: impl Fn(f64) -> f64) -> Series {
    let point = |n: i64| {
        let value = value(n as f64 / 24.0);
        Kept {
            at: Time(NOW.0 - (239 - n) * 3_600_000),
            min: value,
            max: value,
            avg: value,
        }
    };
    Series {
        labels: Labels::new(metric.series(), labels.iter().copied()),
        points: (0..240).map(point).collect(),
    }
}

fn told(metric: &Metric, about: &About, value: impl Fn(f64) -> f64) -> api::Trend {
    let found = series(metric, &[("node", "piha"), ("mount", "/srv")], value);
    trend(metric, &found, about, Span::days(80), NOW)
}

#[test]
fn each_word_reads_its_own_series_and_has_its_own_bounds() {
    let about = About {
        memory: 4 << 30,
        ..About::default()
    };
    for (word, series, bounds) in [
        (
            "disk",
            "stead_node_filesystem_used_percent",
            &["55 %", "70 %", "85 %"][..],
        ),
        (
            "memory",
            "stead_node_memory_available_bytes",
            &["409.6 MiB available"],
        ),
        ("swap", "stead_node_swap_used_bytes", &["1.4 GiB"]),
        ("steal", "stead_node_cpu_percent", &["5 %", "15 %"]),
        ("containers", "stead_node_unhealthy_services", &[]),
        ("io", "stead_node_disk_write_bytes_per_second", &[]),
        ("node_load1", "node_load1", &[]),
    ] {
        let metric = Metric::read(word).expect(word);
        let selector = metric.selector(None).to_string();
        assert!(selector.contains(series), "{selector}");
        assert_eq!(selector.contains("steal"), word == "steal", "{selector}");
        let flat = told(&metric, &about, |_| 1.0);
        let labels: Vec<&str> = flat.projections.iter().map(|p| p.label.as_str()).collect();
        assert_eq!(labels, bounds, "{word}");
    }
    assert_eq!(Metric::read("discs"), None, "a slip is no metric");
}

#[test]
fn a_disk_that_fills_says_when_under_the_nodes_own_bounds() {
    let about = About {
        thresholds: Thresholds {
            disk_warn: 66.0,
            ..Thresholds::default()
        },
        ..About::default()
    };
    let filling = told(&Metric::Disk, &about, |day| 50.0 + day);
    let [noted, warning, critical] = &filling.projections[..] else {
        panic!("three bounds: {:?}", filling.projections)
    };
    assert_eq!(noted.answer, "reached");
    assert_eq!(
        (warning.answer.as_str(), warning.level.as_str()),
        ("within", "warning")
    );
    let days = |at: &Option<String>| {
        let at: Time = at.as_deref().expect("told").parse().expect("an instant");
        at.since(NOW).0 as f64 / 86_400_000.0
    };
    let range = (days(&warning.earliest), days(&warning.latest));
    assert!(
        (6.0..6.1).contains(&range.0) && (6.0..6.1).contains(&range.1),
        "{range:?}"
    );
    assert_eq!(critical.answer, "within");
    assert!(
        filling.sentence.contains("; reaches 66 % in"),
        "what is reached already is passed over: {}",
        filling.sentence
    );
    assert_eq!(filling.name.as_deref(), Some("/srv"));
}

#[test]
fn a_cleanup_is_told_as_a_jump() {
    let cleaned = told(&Metric::Disk, &About::default(), |day| {
        50.0 + day - if day >= 6.0 { 20.0 } else { 0.0 }
    });
    let jumps = cleaned.slope.expect("a slope").jumps;
    assert_eq!(jumps.len(), 1, "{jumps:?}");
    assert!((-21.0..-19.0).contains(&jumps[0].by), "{jumps:?}");
}

#[test]
fn the_worst_comes_first_which_of_memory_is_the_least() {
    for (metric, first) in [(Metric::Disk, "b"), (Metric::Memory, "a")] {
        let one = |node, value| series(&metric, &[("node", node)], move |_| value);
        let mut found = vec![one("a", 10.0), one("b", 90.0)];
        rank_trends(&metric, &mut found);
        assert_eq!(found[0].labels.get("node"), Some(first), "{metric:?}");
    }
}
