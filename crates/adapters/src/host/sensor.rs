//! Temperatures, from `hwmon`, else from thermal zones.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_core::sample::Temperature;
use stead_core::sample::rates::tenth;

/// Sensors followed.
const SENSORS: usize = 64;
/// Readings between two searches for sensors that came or went.
const SEARCH: u32 = 60;
/// What no working sensor says, in thousandths of a degree.
const SANE: std::ops::Range<i64> = 1..200_000;

#[derive(Debug)]
pub(super) struct Sensors {
    sys: PathBuf,
    found: Vec<(PathBuf, Arc<str>)>,
    until_search: u32,
}

impl Sensors {
    pub(super) fn new(sys: PathBuf) -> Sensors {
        Sensors {
            sys,
            found: Vec::new(),
            until_search: 0,
        }
    }

    /// Appends what the sensors say now.
    pub(super) fn measure(&mut self, into: &mut Vec<Temperature>) {
        if self.until_search == 0 {
            self.found = search(&self.sys);
            self.until_search = SEARCH;
        }
        self.until_search -= 1;
        let readings = self.found.iter().filter_map(|(path, name)| {
            let thousandths = number(path)?;
            SANE.contains(&thousandths).then(|| Temperature {
                name: name.clone(),
                celsius: tenth(thousandths as f32 / 1000.0),
            })
        });
        into.extend(readings);
    }
}

fn search(sys: &Path) -> Vec<(PathBuf, Arc<str>)> {
    let mut found = Vec::new();
    for chip in entries(&sys.join("class/hwmon")) {
        let name = text(&chip.join("name")).unwrap_or_else(|| "hwmon".into());
        for input in entries(&chip) {
            let file = input.file_name().and_then(|f| f.to_str()).unwrap_or("");
            let Some(sensor) = file
                .strip_suffix("_input")
                .filter(|file| file.starts_with("temp"))
            else {
                continue;
            };
            let label =
                text(&chip.join(format!("{sensor}_label"))).unwrap_or_else(|| sensor.to_owned());
            found.push((input.clone(), format!("{name} {label}").into()));
        }
    }
    if found.is_empty() {
        for zone in entries(&sys.join("class/thermal"))
            .into_iter()
            .filter(|zone| zone.join("temp").exists())
        {
            let name = text(&zone.join("type")).unwrap_or_else(|| "zone".into());
            found.push((zone.join("temp"), name.into()));
        }
    }
    found.sort();
    found.truncate(SENSORS);
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|e| e.path()).take(512).collect())
        .unwrap_or_default()
}

fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn number(path: &Path) -> Option<i64> {
    let mut buffer = [0u8; 32];
    let length = std::fs::File::open(path).ok()?.read(&mut buffer).ok()?;
    std::str::from_utf8(&buffer[..length])
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_are_named_by_chip_and_label_and_broken_ones_left_out() {
        let sys = tempfile::tempdir().unwrap();
        let chip = sys.path().join("class/hwmon/hwmon0");
        std::fs::create_dir_all(&chip).unwrap();
        for (file, text) in [
            ("name", "coretemp\n"),
            ("temp1_input", "48250\n"),
            ("temp1_label", "Package id 0\n"),
            ("temp2_input", "-274000\n"),
            ("temp3_input", "nonsense"),
            ("fan1_input", "1200\n"),
        ] {
            std::fs::write(chip.join(file), text).unwrap();
        }
        let (mut sensors, mut found) = (Sensors::new(sys.path().into()), Vec::new());
        sensors.measure(&mut found);
        assert_eq!(
            found,
            [Temperature {
                name: "coretemp Package id 0".into(),
                celsius: 48.3
            }]
        );
    }

    #[test]
    fn a_machine_without_chips_has_its_zones_or_none() {
        let sys = tempfile::tempdir().unwrap();
        let mut found = Vec::new();
        Sensors::new(sys.path().into()).measure(&mut found);
        assert!(found.is_empty());
        let zone = sys.path().join("class/thermal/thermal_zone0");
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("type"), "cpu-thermal\n").unwrap();
        std::fs::write(zone.join("temp"), "51000\n").unwrap();
        Sensors::new(sys.path().into()).measure(&mut found);
        assert_eq!(
            found,
            [Temperature {
                name: "cpu-thermal".into(),
                celsius: 51.0
            }]
        );
    }
}
