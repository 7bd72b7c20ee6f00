use std::path::Path;

use stead_ports::disk::{Disk, MemoryDisk, Open};

use super::*;

const PATH: &str = "/part";

fn written(disk: &dyn Disk, series: u32) -> Part {
    let file = disk.open(Path::new(PATH), Open::Empty).unwrap();
    let mut writing = Writing::new(file);
    for n in 0..series {
        let times: Vec<i64> = (0..50).map(|at| at * 1_000 + i64::from(n)).collect();
        let values: Vec<f64> = (0..50).map(|at| f64::from(at * n)).collect();
        writing.readings(n * 3, &times, &values).unwrap();
    }
    let about = About {
        number: 1,
        step: 1_000,
        from: 0,
        level: 0,
        size: 0,
        rows: 0,
    };
    let (file, about) = writing.finish(about).unwrap();
    Part::open(file, about, 0).unwrap()
}

#[test]
fn every_series_is_found_and_no_other() {
    for series in [1, 127, 128, 129, 1000] {
        let part = written(&*MemoryDisk::new().mount(), series);
        assert_eq!(part.about.rows, u64::from(series) * 50);
        assert_eq!((part.first, part.last), (0, 49_000 + i64::from(series) - 1));
        for n in 0..series {
            let found = part.of(n * 3).unwrap();
            assert_eq!(found.len(), 1, "{n} of {series}");
            let Chunk::Readings { values, .. } = part.chunk(&found[0]).unwrap() else {
                panic!("readings were written");
            };
            assert_eq!(values[49], f64::from(49 * n));
            assert!(part.of(n * 3 + 1).unwrap().is_empty());
        }
    }
}

#[test]
fn a_series_with_more_than_a_page_of_chunks_is_found_whole() {
    let disk = MemoryDisk::new();
    let file = disk.mount().open(Path::new(PATH), Open::Empty).unwrap();
    let mut writing = Writing::new(file);
    for series in 0..3 {
        for n in 0..200 {
            writing.readings(series, &[n], &[0.0]).unwrap();
        }
    }
    let about = written(&*MemoryDisk::new().mount(), 1).about;
    let (file, about) = writing.finish(about).unwrap();
    let part = Part::open(file, about, 0).unwrap();
    assert!((0..3).all(|series| part.of(series).unwrap().len() == 200));
}

#[test]
fn no_changed_bit_and_no_missing_byte_goes_unseen() {
    let disk = MemoryDisk::new();
    let mount = disk.mount();
    let sound = written(&*mount, 5);
    let size = disk.bytes(Path::new(PATH)).unwrap().len();
    let look = || {
        let file = mount.open(Path::new(PATH), Open::Existing).unwrap();
        let part = Part::open(file, sound.about, 0)?;
        for n in 0..5 {
            for entry in part.of(n * 3)? {
                part.chunk(&entry)?;
            }
        }
        Ok::<(), Fault>(())
    };
    look().unwrap();
    for byte in MAGIC.len()..size {
        assert!(disk.flip(Path::new(PATH), byte, (byte % 8) as u8));
        assert!(
            matches!(look(), Err(Fault::Damaged)),
            "byte {byte} of {size}"
        );
        disk.flip(Path::new(PATH), byte, (byte % 8) as u8);
    }
    let file = mount.open(Path::new(PATH), Open::Existing).unwrap();
    for cut in [size - 1, size / 2, 10, 0] {
        file.set_size(cut as u64).unwrap();
        assert!(matches!(look(), Err(Fault::Damaged)), "cut to {cut}");
    }
}
