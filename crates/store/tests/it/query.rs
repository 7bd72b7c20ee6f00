//! Whatever the filter, the index answers as a walk over everything would.

use proptest::prelude::*;
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_ports::log::{EventLog, Filter, Record};

use crate::places::{Dice, open};

const RECORDS: u64 = 4000;
const START: i64 = 1_795_000_000_000;

/// Events of many nodes; some late, some of a clock that was far ahead.
fn record(seq: u64, dice: &mut Dice) -> Record {
    let at = START + seq as i64 * 60_000;
    let at = match dice.roll(60) {
        0 => at - dice.roll(100_000_000) as i64,
        1 if seq > RECORDS / 2 => at + 40_000_000,
        _ => at,
    };
    let node = format!("n{}", dice.roll(40));
    Record {
        seq: Seq(seq),
        id: format!("e{seq}"),
        at: Time(at),
        version: 1,
        subject: format!("service/{node}/s{}", dice.roll(3)),
        node,
        kind: ["a", "b", "c", "rare"][if dice.roll(300) == 0 {
            3
        } else {
            dice.roll(3) as usize
        }]
        .to_owned(),
        severity: if dice.roll(50) == 0 {
            2
        } else {
            dice.roll(20) as u8 / 19
        },
        body: format!(r#"{{"n":{}}}"#, dice.roll(500)).into_bytes(),
    }
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let seq = || prop::option::weighted(0.3, (0..RECORDS + 100).prop_map(Seq));
    let at = || {
        prop::option::weighted(
            0.4,
            (-50_000_000..300_000_000i64).prop_map(|ms| Time(START + ms)),
        )
    };
    let kinds = prop::collection::vec(prop::sample::select(vec!["a", "b", "rare", "none"]), 0..3);
    (
        (seq(), seq(), at(), at()),
        prop::option::weighted(0.4, (0..42u64).prop_map(|n| format!("n{n}"))),
        prop::option::weighted(
            0.2,
            (0..42u64, 0..4u64).prop_map(|(n, s)| format!("service/n{n}/s{s}")),
        ),
        kinds,
        (
            0..4u8,
            prop::option::weighted(0.2, "[0-9]{1,2}"),
            any::<bool>(),
            0..300usize,
        ),
    )
        .prop_map(
            |(
                (after, before, since, until),
                node,
                subject,
                kinds,
                (min_severity, text, newest_first, limit),
            )| {
                let kinds = kinds.into_iter().map(str::to_owned).collect();
                Filter {
                    after,
                    before,
                    since,
                    until,
                    node,
                    subject,
                    kinds,
                    min_severity,
                    text,
                    newest_first,
                    limit,
                }
            },
        )
}

#[test]
fn queries_equal_a_walk_over_everything() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut dice = Dice(7);
    let all: Vec<Record> = (1..=RECORDS).map(|seq| record(seq, &mut dice)).collect();
    let log = runtime.block_on(async {
        let log = open(data.path()).await.unwrap();
        let mut rest = &all[..];
        while !rest.is_empty() {
            let (batch, more) = rest.split_at(rest.len().min(1 + dice.roll(60) as usize));
            log.append(batch.to_vec()).await.unwrap();
            rest = more;
        }
        log
    });
    proptest!(ProptestConfig::with_cases(400), |(filter in any_filter())| {
        let mut wanted: Vec<&Record> = all.iter().filter(|r| filter.matches(&r.view())).collect();
        if filter.newest_first {
            wanted.reverse();
        }
        wanted.truncate(filter.limit);
        let found = runtime.block_on(log.query(filter.clone())).unwrap();
        prop_assert!(found.iter().eq(wanted.iter().copied()), "{:?}", filter);
    });
    runtime.block_on(log.close()).unwrap();
}
