//! Rows of one series as bytes, and back. Pure; what is read is never trusted.
//!
//! A chunk is `kind, count, times, columns`. Readings come back bit for bit. Of folded rows, lowest, highest and how many
//! do; their sum does where the readings were decimals, else to one part in 2^32, since its last bits are noise that
//! would cost more than everything else.

mod column;
pub mod varint;

use crate::fold::{Fold, Row};
use column::{
    PLACES, decimals, floats, ints, nearest, places, put_floats, put_ints, put_places, unscaled,
};
use varint::{Cursor, put};

pub use varint::Broken;

/// Rows of one chunk at most: most of a day at ten seconds. Larger ones get slower to read and hardly smaller.
pub const MOST: usize = 8192;

const READINGS: u8 = 1;
const FOLDS: u8 = 2;
const DECIMAL_FOLDS: u8 = 3;

/// Appends at most [`MOST`] readings.
pub fn put_readings(out: &mut Vec<u8>, times: &[i64], values: &[f64]) {
    assert!(times.len() == values.len() && times.len() <= MOST);
    out.push(READINGS);
    put(out, times.len() as u64);
    put_ints(out, times);
    put_floats(out, values);
}

/// Appends at most [`MOST`] folded rows.
pub fn put_folds(out: &mut Vec<u8>, rows: &[Row]) {
    assert!(rows.len() <= MOST);
    let scaled = scale(rows);
    out.push(if scaled.is_some() {
        DECIMAL_FOLDS
    } else {
        FOLDS
    });
    put(out, rows.len() as u64);
    put_ints(out, &rows.iter().map(|row| row.at).collect::<Vec<_>>());
    let counts: Vec<i64> = rows.iter().map(|row| row.fold.count as i64).collect();
    put_ints(out, &counts);
    if let Some(scaled) = scaled {
        put_places(out, scaled.places);
        put_ints(out, &scaled.low);
        put_ints(out, &scaled.above);
        put_ints(out, &scaled.sums);
    } else {
        let floats = |field: fn(&Fold) -> f64| rows.iter().map(|row| field(&row.fold)).collect();
        let columns: [Vec<f64>; 3] = [
            floats(|fold| fold.min),
            floats(|fold| fold.max),
            floats(|fold| short(fold.sum)),
        ];
        for column in &columns {
            put_floats(out, column);
        }
    }
}

/// Without the last 20 bits, rounded.
fn short(value: f64) -> f64 {
    let rounded = f64::from_bits(value.to_bits().wrapping_add(1 << 19) & !((1 << 20) - 1));
    if value.is_finite() && rounded.is_finite() {
        rounded
    } else {
        value
    }
}

/// Folds of decimals: the lowest, and how far the others are above it. Small numbers, and nothing at all where nothing
/// changed.
struct Scaled {
    places: usize,
    low: Vec<i64>,
    above: Vec<i64>,
    sums: Vec<i64>,
}

fn scale(rows: &[Row]) -> Option<Scaled> {
    let ends = rows.iter().flat_map(|row| [row.fold.min, row.fold.max]);
    let (places, _) = decimals(&ends.collect::<Vec<f64>>())?;
    // Lowest and highest may be whole where what lies between them is not.
    let places = rows.iter().try_fold(places, |places, row| {
        (places..=PLACES).find(|places| is_near(row.fold.sum, *places))
    })?;
    let column = |value: fn(&Fold) -> f64| {
        let whole = rows.iter().map(|row| nearest(value(&row.fold), places));
        whole.collect::<Option<Vec<i64>>>()
    };
    let (low, high) = (column(|fold| fold.min)?, column(|fold| fold.max)?);
    let mut sums = column(|fold| fold.sum)?;
    for (sum, (low, row)) in sums.iter_mut().zip(low.iter().zip(rows)) {
        let floor = low.checked_mul(i64::try_from(row.fold.count).ok()?)?;
        *sum = sum.checked_sub(floor)?;
    }
    let above = high.iter().zip(&low).map(|(high, low)| high - low);
    Some(Scaled {
        places,
        above: above.collect(),
        low,
        sums,
    })
}

/// Whether a sum differs from a decimal by no more than what was rounded while it was added up.
fn is_near(sum: f64, places: usize) -> bool {
    nearest(sum, places)
        .is_some_and(|whole| (unscaled(whole, places) - sum).abs() <= sum.abs() * 1e-12)
}

/// What a chunk holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    Readings { times: Vec<i64>, values: Vec<f64> },
    Folds(Vec<Row>),
}

/// Reads one chunk that is all of `bytes`.
pub fn read(bytes: &[u8]) -> Result<Chunk, Broken> {
    let mut cursor = Cursor(bytes);
    let kind = cursor.byte()?;
    let count = cursor.count(MOST)?;
    let times = ints(&mut cursor, count)?;
    let chunk = match kind {
        READINGS => Chunk::Readings {
            times,
            values: floats(&mut cursor, count)?,
        },
        FOLDS | DECIMAL_FOLDS => {
            let counts = ints(&mut cursor, count)?;
            let [low, high, sums] = if kind == FOLDS {
                let mut column = || floats(&mut cursor, count);
                [column()?, column()?, column()?]
            } else {
                unscale(&mut cursor, &counts)?
            };
            let row = |n: usize| Row {
                at: times[n],
                fold: Fold {
                    min: low[n],
                    max: high[n],
                    sum: sums[n],
                    count: counts[n] as u64,
                },
            };
            Chunk::Folds((0..count).map(row).collect())
        }
        _ => return Err(Broken),
    };
    cursor.0.is_empty().then_some(chunk).ok_or(Broken)
}

fn unscale(cursor: &mut Cursor<'_>, counts: &[i64]) -> Result<[Vec<f64>; 3], Broken> {
    let places = places(cursor).ok_or(Broken)?;
    cursor.byte()?;
    let mut column = || ints(cursor, counts.len());
    let (low, above, sums) = (column()?, column()?, column()?);
    let float = |whole: i64| unscaled(whole, places);
    let high = low
        .iter()
        .zip(&above)
        .map(|(l, a)| float(l.wrapping_add(*a)));
    let sum = |n: usize| float(low[n].wrapping_mul(counts[n]).wrapping_add(sums[n]));
    Ok([
        low.iter().map(|whole| float(*whole)).collect(),
        high.collect(),
        (0..counts.len()).map(sum).collect(),
    ])
}

#[cfg(test)]
mod tests;
