//! One column of a chunk: whole numbers or floats, each in the cheapest form that gives back the same bits.
//!
//! Few numbers are written as varints, since the tables of `pco` would outweigh them; what is constant or goes up by the
//! same amount each time takes a few bytes whatever its length. Floats that are decimals (`12.5`, `4096`) become whole
//! numbers with an exponent, where that is exact for all of them.

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};

use super::varint::{Broken, Cursor, put, put_signed};

/// Shorter columns are written as varints.
const FEW: usize = 24;
/// Decimal places that are looked for. Readings of machines have fewer; more would cost time on floats that are none.
pub const PLACES: usize = 6;
/// Beyond this, scaling might not be exact.
const LARGEST: f64 = (1_u64 << 51) as f64;
const POWERS: [f64; PLACES + 1] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];

const CONSTANT: u8 = 0;
const STEADY: u8 = 1;
const VARINTS: u8 = 2;
const PACKED: u8 = 3;
/// Floats as they are; above it, `DECIMAL + places` in front of whole numbers.
const RAW: u8 = 4;
const DECIMAL: u8 = 16;

/// Of `pco`: beyond it, chunks of this size get slower to write and no smaller.
const LEVEL: usize = 8;

fn pack<T: Number>(values: &[T], out: &mut Vec<u8>) {
    let packed = try_pack(values);
    // The only errors are of the configuration and of the destination, and a vector takes everything.
    let packed = packed.expect("numbers can always be packed");
    put(out, packed.len() as u64);
    out.extend_from_slice(&packed);
}

fn try_pack<T: Number>(values: &[T]) -> Result<Vec<u8>, pco::errors::PcoError> {
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    let compressor = FileCompressor::default();
    let mut packed = compressor.write_header(Vec::new())?;
    let mut chunk = compressor.chunk_compressor(values, &config)?;
    packed = chunk.write_meta(packed)?;
    chunk.write_page(0, packed)
}

fn unpack<T: Number + Default>(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<T>, Broken> {
    let length = cursor.count(usize::MAX)?;
    let packed = cursor.take(length)?;
    let (file, rest) = FileDecompressor::new(packed).map_err(|_| Broken)?;
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest).map_err(|_| Broken)?;
    let mut page = chunk.page_decompressor(rest, count).map_err(|_| Broken)?;
    let mut values = vec![T::default(); count];
    let progress = page.read(&mut values).map_err(|_| Broken)?;
    (progress.n_processed == count)
        .then_some(values)
        .ok_or(Broken)
}

/// Appends whole numbers.
pub fn put_ints(out: &mut Vec<u8>, values: &[i64]) {
    let first = values.first().copied().unwrap_or_default();
    let step = values.get(1).map_or(0, |next| next.wrapping_sub(first));
    let steady = values.windows(2).all(|w| w[1].wrapping_sub(w[0]) == step);
    if steady {
        out.push(if step == 0 { CONSTANT } else { STEADY });
        put_signed(out, first);
        if step != 0 {
            put_signed(out, step);
        }
    } else if values.len() < FEW {
        out.push(VARINTS);
        let mut before = 0_i64;
        for value in values {
            put_signed(out, value.wrapping_sub(before));
            before = *value;
        }
    } else {
        out.push(PACKED);
        pack(values, out);
    }
}

/// Reads `count` whole numbers.
pub fn ints(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i64>, Broken> {
    match cursor.byte()? {
        CONSTANT => Ok(vec![cursor.signed()?; count]),
        STEADY => {
            let (first, step) = (cursor.signed()?, cursor.signed()?);
            let value = |n: usize| first.wrapping_add(step.wrapping_mul(n as i64));
            Ok((0..count).map(value).collect())
        }
        VARINTS => {
            let mut before = 0_i64;
            let next = |_| {
                before = before.wrapping_add(cursor.signed()?);
                Ok(before)
            };
            (0..count).map(next).collect()
        }
        PACKED => unpack(cursor, count),
        _ => Err(Broken),
    }
}

/// `value` times 10^`places` as a whole number, if that gives the same bits back.
fn scaled(value: f64, places: usize) -> Option<i64> {
    let whole = nearest(value, places)?;
    (unscaled(whole, places).to_bits() == value.to_bits()).then_some(whole)
}

/// All values as whole numbers, and with how many decimal places.
pub fn decimals(values: &[f64]) -> Option<(usize, Vec<i64>)> {
    let mut places = 0;
    for value in values {
        while scaled(*value, places).is_none() {
            places += 1;
            if places > PLACES {
                return None;
            }
        }
    }
    let whole = values.iter().map(|value| scaled(*value, places));
    Some((places, whole.collect::<Option<_>>()?))
}

/// What a decimal was before it was scaled.
pub fn unscaled(whole: i64, places: usize) -> f64 {
    whole as f64 / POWERS[places]
}

/// `value` times 10^`places` to the nearest whole number, whether that is exact or not.
pub fn nearest(value: f64, places: usize) -> Option<i64> {
    let whole = (value * POWERS[places]).round();
    (whole.abs() < LARGEST).then_some(whole as i64)
}

/// Appends floats.
pub fn put_floats(out: &mut Vec<u8>, values: &[f64]) {
    let first = values.first().map_or(0, |value| value.to_bits());
    if let Some((places, whole)) = decimals(values) {
        put_places(out, places);
        put_ints(out, &whole);
    } else if values.iter().all(|value| value.to_bits() == first) {
        out.push(CONSTANT);
        out.extend_from_slice(&first.to_le_bytes());
    } else if values.len() < FEW {
        out.push(RAW);
        for value in values {
            out.extend_from_slice(&value.to_le_bytes());
        }
    } else {
        out.push(PACKED);
        pack(values, out);
    }
}

pub fn put_places(out: &mut Vec<u8>, places: usize) {
    out.push(DECIMAL + places as u8);
}

/// How many decimal places a column that begins here has; `None`: it is none of decimals.
pub fn places(cursor: &Cursor<'_>) -> Option<usize> {
    let tag = *cursor.0.first()?;
    let places = usize::from(tag.checked_sub(DECIMAL)?);
    (places <= PLACES).then_some(places)
}

/// Reads `count` floats.
pub fn floats(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<f64>, Broken> {
    if let Some(places) = places(cursor) {
        cursor.byte()?;
        let whole = ints(cursor, count)?;
        return Ok(whole.iter().map(|w| unscaled(*w, places)).collect());
    }
    match cursor.byte()? {
        CONSTANT => Ok(vec![f64::from_le_bytes(cursor.array()?); count]),
        RAW => (0..count)
            .map(|_| Ok(f64::from_le_bytes(cursor.array()?)))
            .collect(),
        PACKED => unpack(cursor, count),
        _ => Err(Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_found_only_where_they_are_exact() {
        assert_eq!(
            decimals(&[1.0, 2.5, -3.75]),
            Some((2, vec![100, 250, -375]))
        );
        assert_eq!(decimals(&[0.1, 0.2]), Some((1, vec![1, 2])));
        assert_eq!(decimals(&[4096.0]), Some((0, vec![4096])));
        for none in [1.0 / 3.0, -0.0, f64::NAN, f64::INFINITY, 1e300, 5e-324] {
            assert_eq!(decimals(&[1.0, none]), None, "{none}");
        }
    }

    #[test]
    fn what_does_not_change_costs_a_few_bytes() {
        for values in [vec![7.0; 4000], vec![1.0 / 3.0; 4000]] {
            let mut bytes = Vec::new();
            put_floats(&mut bytes, &values);
            assert!(bytes.len() < 12, "{}", bytes.len());
        }
        let mut bytes = Vec::new();
        let steady: Vec<i64> = (0..4000).map(|n| n * 10_000).collect();
        put_ints(&mut bytes, &steady);
        assert!(bytes.len() < 8);
        assert_eq!(ints(&mut Cursor(&bytes), 4000), Ok(steady));
    }

    #[test]
    fn a_step_that_wraps_around_comes_back() {
        for values in [vec![i64::MIN, i64::MAX], vec![i64::MAX, i64::MIN, 0]] {
            let mut bytes = Vec::new();
            put_ints(&mut bytes, &values);
            assert_eq!(ints(&mut Cursor(&bytes), values.len()), Ok(values));
        }
    }
}
