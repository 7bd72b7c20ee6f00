//! The files of the invented fleet, as an owner would have written them.

use anyhow::{Context, Result, bail};
use std::path::Path;
use stead_core::desired::Fleet;

/// Every file of the fleet directory, as it lies in `crates/month/fleet`.
const FILES: &[(&str, &str)] = &[
    ("stead.yaml", include_str!("../fleet/stead.yaml")),
    (
        "hosts/gpu/node.yaml",
        include_str!("../fleet/hosts/gpu/node.yaml"),
    ),
    (
        "hosts/gpu/services.yaml",
        include_str!("../fleet/hosts/gpu/services.yaml"),
    ),
    (
        "hosts/nas/node.yaml",
        include_str!("../fleet/hosts/nas/node.yaml"),
    ),
    (
        "hosts/nas/services.yaml",
        include_str!("../fleet/hosts/nas/services.yaml"),
    ),
    (
        "hosts/piha/node.yaml",
        include_str!("../fleet/hosts/piha/node.yaml"),
    ),
    (
        "hosts/piha/services.yaml",
        include_str!("../fleet/hosts/piha/services.yaml"),
    ),
    (
        "hosts/shed/node.yaml",
        include_str!("../fleet/hosts/shed/node.yaml"),
    ),
    (
        "hosts/shed/services.yaml",
        include_str!("../fleet/hosts/shed/services.yaml"),
    ),
    (
        "hosts/web-1/node.yaml",
        include_str!("../fleet/hosts/web-1/node.yaml"),
    ),
    (
        "hosts/web-1/services.yaml",
        include_str!("../fleet/hosts/web-1/services.yaml"),
    ),
    (
        "hosts/web-2/node.yaml",
        include_str!("../fleet/hosts/web-2/node.yaml"),
    ),
    (
        "hosts/web-2/services.yaml",
        include_str!("../fleet/hosts/web-2/services.yaml"),
    ),
];

/// Writes the files into `dir`, so that an ordinary server can follow them later.
pub fn write(dir: &Path) -> Result<()> {
    for (path, text) in FILES {
        let path = dir.join(path);
        let parent = path.parent().context("a file lies in a folder")?;
        std::fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

/// The fleet as the files say it.
pub fn load() -> Result<Fleet> {
    let tree = stead_fleet::Tree::from_files(FILES.iter().copied());
    let loaded = stead_fleet::load(&tree, &stead_fleet::Options::default());
    if let Some(problem) = loaded.problems.iter().find(|p| p.is_error()) {
        bail!("{}:{}: {}", problem.file, problem.line, problem.message);
    }
    loaded.fleet.context("the files make no fleet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::PLACES;

    #[test]
    fn the_files_make_a_fleet_and_each_service_of_it_has_something_behind_it() {
        let fleet = load().expect("a fleet");
        assert_eq!(fleet.nodes.len(), PLACES.len());
        for (node, desired) in &fleet.nodes {
            let place = PLACES.iter().find(|p| p.name == node.as_str());
            let place = place.expect("a place of that name");
            for (service, what) in &desired.services {
                let there = match &what.kind {
                    stead_core::desired::ServiceKind::Container { container, .. } => {
                        place.tenants.iter().any(|t| t.name == container.as_str())
                    }
                    stead_core::desired::ServiceKind::Systemd { unit } => {
                        place.units.iter().any(|(name, _)| *name == unit.as_str())
                    }
                    _ => false,
                };
                assert!(there, "{node}/{service}");
            }
        }
    }
}
