//! What the write-ahead file and the list of names hold: series with their numbers, and samples.

use stead_ports::history::Labels;

use super::frame;
use crate::chunk::varint::{Broken, Cursor, put, put_signed, put_text};

/// Bytes of one text; those that were written were admitted.
const TEXT: usize = 1 << 16;
const LABELS: usize = 1 << 10;

/// A sample of a series by its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub series: u32,
    pub at: i64,
    pub value: f64,
}

/// One record.
#[derive(Debug, Default, PartialEq)]
pub struct Record {
    pub names: Vec<(u32, Labels)>,
    pub rows: Vec<Row>,
}

/// Appends a record as a frame.
pub fn put_record<'a>(
    out: &mut Vec<u8>,
    names: impl ExactSizeIterator<Item = (u32, &'a Labels)>,
    rows: &[Row],
) {
    let start = frame::begin(out);
    put(out, names.len() as u64);
    for (series, labels) in names {
        put(out, u64::from(series));
        put(out, labels.len() as u64);
        for (name, value) in labels.iter() {
            put_text(out, name);
            put_text(out, value);
        }
    }
    put(out, rows.len() as u64);
    // One agent's samples are of the same instant and of neighbouring series.
    let (mut series, mut at) = (0_i64, 0_i64);
    for row in rows {
        put_signed(out, i64::from(row.series) - series);
        put_signed(out, row.at.wrapping_sub(at));
        out.extend_from_slice(&row.value.to_le_bytes());
        (series, at) = (i64::from(row.series), row.at);
    }
    frame::end(out, start);
}

/// Reads the payload of a frame.
pub fn read(payload: &[u8]) -> Result<Record, Broken> {
    let mut cursor = Cursor(payload);
    let mut record = Record::default();
    for _ in 0..cursor.count(payload.len())? {
        let series = u32::try_from(cursor.number()?).map_err(|_| Broken)?;
        let count = cursor.count(LABELS)?;
        let pair = |_| Ok((cursor.text(TEXT)?, cursor.text(TEXT)?));
        let pairs = (0..count).map(pair).collect::<Result<Vec<_>, Broken>>()?;
        record.names.push((series, Labels::from_pairs(pairs)));
    }
    let (mut series, mut at) = (0_i64, 0_i64);
    for _ in 0..cursor.count(payload.len())? {
        series = series.wrapping_add(cursor.signed()?);
        at = at.wrapping_add(cursor.signed()?);
        record.rows.push(Row {
            series: u32::try_from(series).map_err(|_| Broken)?,
            at,
            value: f64::from_le_bytes(cursor.array()?),
        });
    }
    cursor.0.is_empty().then_some(record).ok_or(Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let labels = Labels::new("cpu", [("node", "piha"), ("mode", "steal")]);
        let row = |series, at, value| Row { series, at, value };
        let record = Record {
            names: vec![(7, labels.clone()), (8, Labels::new("load", []))],
            rows: vec![
                row(7, 1_795_000_000_000, 0.5),
                row(8, -3, -1.0),
                row(0, 0, 1e300),
            ],
        };
        let mut bytes = Vec::new();
        let names = record
            .names
            .iter()
            .map(|(series, labels)| (*series, labels));
        put_record(&mut bytes, names, &record.rows);
        let payload = frame::Frames::of(&bytes).next().unwrap();
        assert_eq!(read(payload), Ok(record));
        for cut in 0..payload.len() {
            assert_eq!(read(&payload[..cut]), Err(Broken));
        }
    }
}
