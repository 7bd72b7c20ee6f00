//! The control: what one small durable write costs on this disk in this minute.

use anyhow::Result;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// As much as one commit of the log writes when a container falls ill: a few events and SQLite's page headers.
const BYTES: usize = 8192;

/// Appends and syncs a few times, and returns how long each took in milliseconds.
pub fn syncs(dir: &Path, times: usize) -> Result<Vec<f64>> {
    let path = dir.join("raw-control");
    let mut file = File::options().create(true).append(true).open(&path)?;
    let bytes = vec![b'x'; BYTES];
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        taken.push(start.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(path)?;
    Ok(taken)
}

/// The value below which the share `q` of `values` lies.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len().max(1) - 1) as f64 * q).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 0.99), 5.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
