//! What a machine runs inside of, in the words of `systemd-detect-virt`; empty on bare metal.

use std::path::Path;

/// Containers, whose kernel is somebody else's.
const CONTAINERS: [&str; 10] = [
    "docker",
    "podman",
    "lxc",
    "lxc-libvirt",
    "systemd-nspawn",
    "openvz",
    "wsl",
    "rkt",
    "container-other",
    "proot",
];

/// The namespace of processes that a kernel starts with; its number is fixed.
const FIRST_PROCESSES: &str = "pid:[4026531836]";

/// Whether `virtualization` is a container.
pub(super) fn is_container(virtualization: &str) -> bool {
    CONTAINERS.contains(&virtualization)
}

/// The innermost one: a container in a virtual machine is the container.
pub(super) fn detect(root: &Path) -> String {
    container(root)
        .or_else(|| machine(root))
        .unwrap_or_default()
}

fn container(root: &Path) -> Option<String> {
    let named = |text: &str| match text.trim() {
        "" => None,
        "oci" => Some("docker".to_owned()),
        name if CONTAINERS.contains(&name) => Some(name.to_owned()),
        _ => Some("container-other".to_owned()),
    };
    if let Some(name) = read(root, "run/systemd/container").and_then(|text| named(&text)) {
        return Some(name);
    }
    let environment = std::fs::read(root.join("proc/1/environ")).unwrap_or_default();
    let variable = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"container="));
    if let Some(name) = variable.and_then(|value| named(&String::from_utf8_lossy(value))) {
        return Some(name);
    }
    // Machines are made from container images too, and keep the mark; only a container has processes of its own.
    let own_kernel = std::fs::read_link(root.join("proc/self/ns/pid"))
        .is_ok_and(|ns| ns == Path::new(FIRST_PROCESSES));
    if !own_kernel && root.join("run/.containerenv").exists() {
        return Some("podman".into());
    }
    if !own_kernel && root.join(".dockerenv").exists() {
        return Some("docker".into());
    }
    let release = read(root, "proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .to_lowercase();
    if release.contains("microsoft") {
        return Some("wsl".into());
    }
    (root.join("proc/vz").exists() && !root.join("proc/bc").exists()).then(|| "openvz".into())
}

fn machine(root: &Path) -> Option<String> {
    // In the order in which they decide: a cloud's own name says less than the hypervisor's.
    const VENDORS: [(&str, &str); 16] = [
        ("kvm", "kvm"),
        ("openstack", "kvm"),
        ("kubevirt", "kvm"),
        ("amazon ec2", "amazon"),
        ("google compute engine", "google"),
        ("vmware", "vmware"),
        ("vmw", "vmware"),
        ("innotek gmbh", "oracle"),
        ("virtualbox", "oracle"),
        ("oracle corporation", "oracle"),
        ("xen", "xen"),
        ("bochs", "bochs"),
        ("parallels", "parallels"),
        ("bhyve", "bhyve"),
        ("apple virtualization", "apple"),
        ("qemu", "qemu"),
    ];
    let hypervisor = read(root, "proc/cpuinfo").is_some_and(|text| {
        text.lines()
            .find(|line| line.starts_with("flags"))
            .is_some_and(|line| line.split(' ').any(|f| f == "hypervisor"))
    });
    let dmi: String = [
        "product_name",
        "sys_vendor",
        "board_vendor",
        "bios_vendor",
        "product_version",
    ]
    .iter()
    .filter_map(|file| read(root, &format!("sys/class/dmi/id/{file}")))
    .map(|text| text.to_lowercase() + "\n")
    .collect();
    if dmi.contains("microsoft corporation") && dmi.contains("virtual machine") {
        return Some("microsoft".into());
    }
    if let Some((_, name)) = VENDORS
        .iter()
        .find(|(vendor, _)| dmi.lines().any(|line| line.starts_with(vendor)))
    {
        // QEMU's own machine on a processor that reports a hypervisor is not emulated.
        return Some(
            if *name == "qemu" && hypervisor {
                "kvm"
            } else {
                name
            }
            .to_owned(),
        );
    }
    if let Some(kind) = read(root, "sys/hypervisor/type").filter(|kind| !kind.trim().is_empty()) {
        return Some(kind.trim().to_owned());
    }
    if root.join("proc/device-tree/hypervisor/compatible").exists() {
        return Some("kvm".into());
    }
    // Clouds that sell by brand, and micro machines without firmware tables.
    hypervisor.then(|| "vm-other".into())
}

fn read(root: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(root.join(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine_with(files: &[(&str, &str)]) -> String {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        detect(root.path())
    }

    #[test]
    fn containers_machines_and_bare_metal_are_told_apart() {
        let flags = ("proc/cpuinfo", "processor: 0\nflags : fpu hypervisor sse\n");
        assert_eq!(machine_with(&[]), "");
        assert_eq!(
            machine_with(&[("sys/class/dmi/id/sys_vendor", "Dell Inc.\n")]),
            ""
        );
        assert_eq!(
            machine_with(&[("run/systemd/container", "lxc\n"), flags]),
            "lxc"
        );
        assert_eq!(
            machine_with(&[("proc/1/environ", "A=b\0container=lxc\0")]),
            "lxc"
        );
        assert_eq!(machine_with(&[(".dockerenv", "")]), "docker");
        assert_eq!(machine_with(&[("run/.containerenv", "")]), "podman");
        assert_eq!(
            machine_with(&[("sys/class/dmi/id/sys_vendor", "QEMU\n"), flags]),
            "kvm"
        );
        assert_eq!(
            machine_with(&[("sys/class/dmi/id/sys_vendor", "QEMU\n")]),
            "qemu"
        );
        assert_eq!(
            machine_with(&[("sys/class/dmi/id/product_name", "VMware7,1\n")]),
            "vmware"
        );
        assert_eq!(machine_with(&[flags]), "vm-other");
    }

    #[test]
    fn a_machine_made_from_a_container_image_is_a_machine() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/self/ns")).unwrap();
        std::fs::write(root.path().join(".dockerenv"), "").unwrap();
        std::os::unix::fs::symlink(FIRST_PROCESSES, root.path().join("proc/self/ns/pid")).unwrap();
        assert_eq!(detect(root.path()), "");
        assert_eq!(machine_with(&[(".dockerenv", "")]), "docker");
    }

    #[test]
    fn whose_kernel_it_is_follows_from_the_word() {
        assert!(is_container("lxc") && is_container("docker"));
        assert!(!is_container("kvm") && !is_container(""));
    }
}
