//! The graphics processors that a language model can be computed on, as the kernel shows them.
//!
//! Only drivers that model servers compute with count: a server's display chip or a hypervisor's is no readiness. No program
//! is run and no device is opened; what needs a vendor's library is not known here.

use std::fs;
use std::path::Path;

use stead_core::facts::Gpu;

/// More than any machine has; the rest is left out.
const MOST: usize = 32;
/// A sheet of the NVIDIA driver is some hundred bytes.
const SHEET: usize = 16 * 1024;

/// Those of the machine at `root`, in the kernel's order; empty: none.
pub(super) fn read(root: &Path) -> Vec<Gpu> {
    let mut found = nvidia(&root.join("proc/driver/nvidia/gpus"));
    found.extend(amd(&root.join("sys/class/drm")));
    found.truncate(MOST);
    found
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn nvidia(folder: &Path) -> Vec<Gpu> {
    let read = |name: String| {
        let sheet = fs::read(folder.join(name).join("information")).ok()?;
        let sheet = String::from_utf8_lossy(&sheet[..sheet.len().min(SHEET)]).into_owned();
        let model = sheet.lines().find_map(|line| line.strip_prefix("Model:"));
        Some(Gpu {
            name: model.map_or("NVIDIA", str::trim).to_owned(),
            driver: "nvidia".to_owned(),
            memory_bytes: None,
        })
    };
    names(folder).into_iter().filter_map(read).collect()
}

fn amd(folder: &Path) -> Vec<Gpu> {
    let is_card = |name: &String| {
        name.strip_prefix("card")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let read = |name: String| {
        let device = folder.join(name).join("device");
        let driver = fs::read_link(device.join("driver")).ok()?;
        if driver.file_name()?.to_str()? != "amdgpu" {
            return None;
        }
        let line = |file: &str| {
            let text = fs::read_to_string(device.join(file)).unwrap_or_default();
            text.trim().to_owned()
        };
        let product = line("product_name");
        let identity = line("device");
        Some(Gpu {
            name: match product.as_str() {
                "" => format!("AMD {}", identity.trim_start_matches("0x")),
                product => product.to_owned(),
            },
            driver: "amdgpu".to_owned(),
            memory_bytes: line("mem_info_vram_total").parse().ok(),
        })
    };
    let cards = names(folder).into_iter().filter(is_card);
    cards.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_model_can_be_computed_on_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert!(read(root.path()).is_empty(), "nothing there means none");
        write(
            "proc/driver/nvidia/gpus/0000:01:00.0/information",
            "Model: \t\t NVIDIA GeForce RTX 3060\nIRQ:   \t\t 128\nGPU UUID: \t GPU-x\n",
        );
        for (card, driver) in [
            ("card0", "ast"),
            ("card1", "amdgpu"),
            ("card1-HDMI-A-1", "amdgpu"),
        ] {
            let device = format!("sys/class/drm/{card}/device");
            write(&format!("{device}/device"), "0x744c\n");
            write(&format!("{device}/mem_info_vram_total"), "25753026560\n");
            let link = root.path().join(&device).join("driver");
            std::os::unix::fs::symlink(format!("/sys/bus/pci/drivers/{driver}"), link).unwrap();
        }
        let found = read(root.path());
        let seen: Vec<_> = found
            .iter()
            .map(|g| (g.name.as_str(), g.driver.as_str(), g.memory_bytes))
            .collect();
        assert_eq!(
            seen,
            [
                ("NVIDIA GeForce RTX 3060", "nvidia", None),
                ("AMD 744c", "amdgpu", Some(25_753_026_560)),
            ]
        );
    }
}
