//! Queries and ID look-ups: every field of a filter, alone and together, in both orders, with late events, with text
//! that a pattern language would trip over, and while more is being appended.

use stead_core::ids::Seq;
use stead_core::time::Time;

use super::{Engine, open, reopen, sample, samples};
use crate::log::{EventLog, Filter, Record};

pub async fn expect(log: &dyn EventLog, all: &[Record], filter: Filter) {
    let mut wanted: Vec<Record> = all
        .iter()
        .filter(|r| filter.matches(&r.view()))
        .cloned()
        .collect();
    if filter.newest_first {
        wanted.reverse();
    }
    wanted.truncate(filter.limit);
    let found = log.query(filter.clone()).await.unwrap();
    assert!(
        found == wanted,
        "{filter:?}: found {:?}, wanted {:?}",
        found.iter().map(|r| r.seq.0).collect::<Vec<_>>(),
        wanted.iter().map(|r| r.seq.0).collect::<Vec<_>>()
    );
}

/// One filter for each field, some together.
pub fn filters() -> Vec<Filter> {
    let at = |seq: u64| Some(sample(seq).at);
    let none = Filter::default;
    vec![
        none(),
        Filter {
            after: Some(Seq(290)),
            ..none()
        },
        Filter {
            before: Some(Seq(7)),
            ..none()
        },
        Filter {
            after: Some(Seq(40)),
            before: Some(Seq(43)),
            ..none()
        },
        Filter {
            after: Some(Seq(43)),
            before: Some(Seq(43)),
            ..none()
        },
        Filter {
            since: at(295),
            ..none()
        },
        Filter {
            until: at(4),
            ..none()
        },
        Filter {
            since: at(100),
            until: at(110),
            ..none()
        },
        Filter {
            since: at(110),
            until: at(100),
            ..none()
        },
        Filter {
            node: Some("nas".into()),
            ..none()
        },
        Filter {
            node: Some("nobody".into()),
            ..none()
        },
        Filter {
            node: Some("".into()),
            ..none()
        },
        Filter {
            subject: Some("service/nas/s1".into()),
            ..none()
        },
        Filter {
            kinds: vec!["disk_pressure".into()],
            ..none()
        },
        Filter {
            kinds: vec![
                "disk_pressure".into(),
                "service_healthy".into(),
                "no".into(),
            ],
            ..none()
        },
        Filter {
            min_severity: 1,
            ..none()
        },
        Filter {
            min_severity: 2,
            ..none()
        },
        Filter {
            min_severity: 3,
            ..none()
        },
        Filter {
            text: Some("\"streak\":6".into()),
            ..none()
        },
        Filter {
            text: Some("".into()),
            ..none()
        },
        Filter {
            node: Some("edge".into()),
            kinds: vec!["service_unhealthy".into(), "action_completed".into()],
            min_severity: 2,
            since: at(50),
            until: at(280),
            text: Some("STREAK".into()),
            after: Some(Seq(20)),
            before: Some(Seq(290)),
            ..none()
        },
    ]
}

pub async fn filtering(engine: &dyn Engine) {
    let log = open(engine, "filtering").await;
    let mut all = samples(1, 290);
    log.append(all.clone()).await.unwrap();
    // Events that came late keep their old time; a clock that was ahead leaves one in the future.
    for seq in 291..=320 {
        let mut record = sample(seq);
        match seq % 10 {
            3 => record.at = sample(2).at,
            7 => record.at = Time(record.at.0 + 86_400_000),
            _ => {}
        }
        log.append(vec![record.clone()]).await.unwrap();
        all.push(record);
    }
    let log = reopen(engine, "filtering", log).await;
    for filter in filters() {
        for newest_first in [false, true] {
            for limit in [0, 1, 10, 1000] {
                let filter = Filter {
                    newest_first,
                    limit,
                    ..filter.clone()
                };
                expect(&*log, &all, filter).await;
            }
        }
    }
}

pub async fn searching(engine: &dyn Engine) {
    let log = open(engine, "searching").await;
    let bodies = [
        r#"{"path":"50%_done"}"#,
        r#"{"path":"50 percent done"}"#,
        r#"{"path":"C:\\temp\\x"}"#,
        r#"{"say":"it's [a-z]* ? \" fine"}"#,
        r#"{"say":"STRASSE ÄRGER"}"#,
    ];
    let mut all = Vec::new();
    for (i, body) in bodies.iter().enumerate() {
        let mut record = sample(i as u64 + 1);
        record.body = body.as_bytes().to_vec();
        all.push(record);
    }
    log.append(all.clone()).await.unwrap();
    let cases: [(&str, &[u64]); 14] = [
        ("%", &[1]),
        ("_DONE", &[1]),
        ("50%", &[1]),
        ("50", &[1, 2]),
        ("5_", &[]),
        ("\\", &[3, 4]),
        ("[A-Z]*", &[4]),
        ("*", &[4]),
        ("?", &[4]),
        ("it's", &[4]),
        ("strasse", &[5]),
        ("ÄRGER", &[5]),
        ("DISK_pressure", &[2]),
        ("Service/Nas/S1", &[1]),
    ];
    for (text, wanted) in cases {
        let filter = Filter {
            text: Some(text.into()),
            limit: 10,
            ..Filter::default()
        };
        let found: Vec<u64> = log
            .query(filter.clone())
            .await
            .unwrap()
            .iter()
            .map(|r| r.seq.0)
            .collect();
        assert_eq!(found, wanted, "text {text:?}");
        expect(&*log, &all, filter).await;
    }
}

/// Queries and ID look-ups see what was acknowledged, at once, while more is being appended.
pub async fn ordering_under_load(engine: &dyn Engine) {
    let log = open(engine, "load").await;
    let mut next = 1;
    for round in 0..60u64 {
        let batch = samples(next, next + round * 3);
        next += round * 3 + 1;
        log.append(batch).await.unwrap();
        let newest = Filter {
            node: Some("piha".into()),
            newest_first: true,
            limit: 3,
            ..Filter::default()
        };
        let found: Vec<u64> = log
            .query(newest)
            .await
            .unwrap()
            .iter()
            .map(|r| r.seq.0)
            .collect();
        let wanted: Vec<u64> = (1..next).rev().filter(|s| s % 3 == 0).take(3).collect();
        assert_eq!(found, wanted, "after {} records", next - 1);
        let ids = vec![
            format!("event-{}", next - 1),
            format!("event-{next}"),
            "event-1".to_owned(),
        ];
        let known = log.known_ids(&ids).await.unwrap();
        assert_eq!(
            known,
            [ids[0].clone(), ids[2].clone()],
            "known IDs, in the order asked"
        );
    }
    assert_eq!(log.verify().await.unwrap(), next - 1);
}
