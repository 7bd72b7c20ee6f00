use proptest::prelude::*;

use super::*;

fn there_and_back(times: &[i64], values: &[f64]) -> usize {
    let mut bytes = Vec::new();
    put_readings(&mut bytes, times, values);
    let Ok(Chunk::Readings {
        times: read_times,
        values: read_values,
    }) = read(&bytes)
    else {
        panic!("unreadable");
    };
    assert_eq!(read_times, times);
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read_values), bits(values));
    bytes.len()
}

fn times() -> impl Strategy<Value = Vec<i64>> {
    let gap = prop_oneof![
        8 => Just(10_000_i64),
        2 => 9_990_i64..10_010,
        1 => 0_i64..100_000_000
    ];
    let gaps = prop::collection::vec(gap, 0..400);
    (any::<i32>(), gaps).prop_map(|(start, gaps)| {
        let next = |at: &mut i64, gap: i64| {
            *at += gap;
            Some(*at)
        };
        gaps.into_iter().scan(i64::from(start), next).collect()
    })
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<i32>().prop_map(f64::from),
        (0_i32..100_000).prop_map(|n| f64::from(n) / 100.0),
        Just(f64::NAN),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
    ]
}

fn values(count: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(value(), count),
        prop::collection::vec((0_i32..1_000).prop_map(|n| f64::from(n) / 10.0), count),
        prop::collection::vec(0_u32..10_000, count).prop_map(|steps| {
            let sum = |total: &mut f64, step: u32| {
                *total += f64::from(step);
                Some(*total)
            };
            steps.into_iter().scan(1e12, sum).collect()
        }),
        value().prop_map(move |value| vec![value; count]),
    ]
}

fn readings() -> impl Strategy<Value = (Vec<i64>, Vec<f64>)> {
    times().prop_flat_map(|times| {
        let count = times.len();
        (Just(times), values(count))
    })
}

proptest! {
    #[test]
    fn readings_come_back_bit_for_bit((times, values) in readings()) {
        there_and_back(&times, &values);
    }

    #[test]
    fn folds_come_back_and_their_sum_nearly((times, values) in readings()) {
        let mut rows = Vec::new();
        crate::fold::fold(&times, &values, 60_000, &mut rows);
        let mut bytes = Vec::new();
        put_folds(&mut bytes, &rows);
        let Ok(Chunk::Folds(read)) = read(&bytes) else { panic!("unreadable") };
        prop_assert_eq!(read.len(), rows.len());
        for (read, row) in read.iter().zip(&rows) {
            prop_assert_eq!((read.at, read.fold.count), (row.at, row.fold.count));
            prop_assert_eq!(read.fold.min.to_bits(), row.fold.min.to_bits());
            prop_assert_eq!(read.fold.max.to_bits(), row.fold.max.to_bits());
            let (is, was) = (read.fold.sum, row.fold.sum);
            let same = is.to_bits() == was.to_bits() || is == was || (is.is_nan() && was.is_nan());
            let most = row.fold.max.abs().max(row.fold.min.abs()) * row.fold.count as f64;
            prop_assert!(same || (is - was).abs() <= most * 1e-9, "{} was {}", is, was);
        }
    }

    #[test]
    fn any_bytes_are_a_chunk_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&bytes));
    }

    #[test]
    fn a_chunk_with_changed_bytes_is_read_or_refused(
        (times, values) in readings(), at in any::<prop::sample::Index>(), to in any::<u8>()
    ) {
        let mut bytes = Vec::new();
        put_readings(&mut bytes, &times, &values);
        let at = at.index(bytes.len());
        bytes[at] = to;
        drop(read(&bytes));
        drop(read(&bytes[..at]));
    }
}

#[test]
fn the_largest_chunk_and_the_empty_one_come_back() {
    let times: Vec<i64> = (0..MOST as i64).map(|n| n * 1_000).collect();
    let noise: Vec<f64> = (0..MOST).map(|n| (n as f64).sin()).collect();
    there_and_back(&times, &noise);
    there_and_back(&[], &[]);
}

#[test]
fn the_sum_of_decimals_is_exact() {
    let times: Vec<i64> = (0..600).map(|n| n * 10_000).collect();
    let values: Vec<f64> = (0..600).map(|n| f64::from(n % 37) / 10.0).collect();
    let mut rows = Vec::new();
    crate::fold::fold(&times, &values, 900_000, &mut rows);
    let mut bytes = Vec::new();
    put_folds(&mut bytes, &rows);
    let Ok(Chunk::Folds(read)) = read(&bytes) else {
        panic!("unreadable");
    };
    let tenths: i32 = (0..90).map(|n| n % 37).sum();
    assert_eq!(read[0].fold.sum, f64::from(tenths) / 10.0);
}

#[test]
fn what_rests_costs_almost_nothing() {
    let times: Vec<i64> = (0..4320).map(|n| n * 10_000).collect();
    assert!(there_and_back(&times, &vec![16_777_216.0; 4320]) < 20);
    let counter: Vec<f64> = (0..4320).map(|n| 1e9 + f64::from(n) * 4096.0).collect();
    assert!(there_and_back(&times, &counter) < 30);
    let mut rare = vec![0.0; 4320];
    rare[2000] = 3.0;
    assert!(there_and_back(&times, &rare) < 200);
}
