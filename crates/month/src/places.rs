//! What stands behind each name of the invented fleet: machines, containers, disks, models, and how busy they are.

/// Mount, kind, device, GiB, percent used when the month begins, GiB more each day.
pub type Disk = (&'static str, &'static str, &'static str, u64, f64, f64);
/// Name, size in GiB, family, parameters, quantization.
pub type Model = (&'static str, f64, &'static str, &'static str, &'static str);

/// What a container is when nothing is wrong with it. Rates are per second.
#[derive(Debug)]
pub struct Tenant {
    pub name: &'static str,
    pub stack: &'static str,
    pub image: &'static str,
    /// Days the image is old when the month begins.
    pub aged: u64,
    /// Percent of one core at night, and how much more at the busiest time.
    pub cpu: (f64, f64),
    /// MiB at its start, and how many more each day.
    pub memory: (f64, f64),
    /// MiB; 0: none.
    pub limit: u64,
    pub writes: f64,
    pub network: f64,
}

/// What a machine is.
#[derive(Debug)]
pub struct Place {
    pub name: &'static str,
    pub os: &'static str,
    pub kernel: &'static str,
    pub arch: &'static str,
    pub virtualization: &'static str,
    pub cores: u32,
    /// GiB, and GiB of swap.
    pub memory: (u64, u64),
    /// Percent of the whole machine at night, and how much more at the busiest time.
    pub cpu: (f64, f64),
    /// Percent stolen in the evening.
    pub steal: f64,
    /// Celsius at rest; 0: no sensor.
    pub warm: f32,
    pub device: &'static str,
    pub interface: &'static str,
    pub disks: &'static [Disk],
    pub gpu: Option<(&'static str, u64)>,
    pub tenants: &'static [Tenant],
    pub units: &'static [(&'static str, &'static str)],
    pub models: &'static [Model],
}

#[rustfmt::skip]
#[allow(clippy::too_many_arguments, reason = "a row of the table below")]
const fn tenant(
    name: &'static str, stack: &'static str, image: &'static str, aged: u64,
    cpu: (f64, f64), memory: (f64, f64), limit: u64, writes: f64, network: f64,
) -> Tenant {
    Tenant { name, stack, image, aged, cpu, memory, limit, writes, network }
}

#[rustfmt::skip]
pub const PLACES: &[Place] = &[
    Place {
        name: "nas", os: "Debian GNU/Linux 12 (bookworm)", kernel: "6.1.0-37-amd64", arch: "x86_64",
        virtualization: "", cores: 8, memory: (32, 8), cpu: (1.5, 5.0), steal: 0.0, warm: 41.0,
        device: "sda", interface: "eno1",
        disks: &[("/", "ext4", "/dev/nvme0n1p2", 234, 34.0, 0.35), ("/srv", "xfs", "/dev/sda1", 3_726, 61.0, 5.2)],
        gpu: None,
        tenants: &[
            tenant("immich-server", "photos", "ghcr.io/immich-app/immich-server:v2.2.0", 9, (2.0, 40.0), (640.0, 6.0), 2_048, 38_000.0, 90_000.0),
            tenant("immich-machine-learning", "photos", "ghcr.io/immich-app/immich-machine-learning:v2.1.0", 20, (0.5, 25.0), (1_100.0, 0.0), 0, 9_000.0, 4_000.0),
            tenant("immich-postgres", "photos", "ghcr.io/immich-app/postgres:14-vectorchord", 61, (1.0, 8.0), (480.0, 2.0), 1_024, 60_000.0, 6_000.0),
            tenant("nextcloud", "cloud", "nextcloud:31-apache", 44, (1.5, 22.0), (390.0, 3.0), 1_024, 21_000.0, 45_000.0),
            tenant("nextcloud-db", "cloud", "mariadb:11.4", 33, (1.0, 6.0), (310.0, 0.5), 768, 30_000.0, 5_000.0),
            tenant("jellyfin", "films", "jellyfin/jellyfin:10.11", 15, (0.5, 60.0), (720.0, 1.0), 0, 4_000.0, 500_000.0),
        ],
        units: &[("smbd.service", "Samba SMB Daemon"), ("ssh.service", "OpenBSD Secure Shell server"), ("smartmontools.service", "Self Monitoring and Reporting Technology (SMART) Daemon")],
        models: &[],
    },
    Place {
        name: "piha", os: "Debian GNU/Linux 12 (bookworm)", kernel: "6.12.47+rpt-rpi-v8", arch: "aarch64",
        virtualization: "", cores: 4, memory: (4, 1), cpu: (2.0, 4.0), steal: 0.0, warm: 52.0,
        device: "mmcblk0", interface: "eth0",
        disks: &[("/", "ext4", "/dev/mmcblk0p2", 58, 46.0, 0.11)],
        gpu: None,
        tenants: &[
            tenant("mosquitto", "home", "eclipse-mosquitto:2.0", 70, (0.5, 0.8), (9.0, 0.0), 64, 900.0, 2_500.0),
            tenant("zigbee2mqtt", "home", "ghcr.io/koenkk/zigbee2mqtt:2.6", 25, (1.5, 3.0), (120.0, 2.5), 256, 2_500.0, 1_800.0),
            tenant("homeassistant", "home", "ghcr.io/home-assistant/home-assistant:2025.10", 18, (4.0, 9.0), (560.0, 7.0), 0, 34_000.0, 9_000.0),
        ],
        units: &[("ssh.service", "OpenBSD Secure Shell server"), ("bluetooth.service", "Bluetooth service")],
        models: &[],
    },
    Place {
        name: "web-1", os: "Debian GNU/Linux 12 (bookworm)", kernel: "6.1.0-35-cloud-amd64", arch: "x86_64",
        virtualization: "kvm", cores: 2, memory: (4, 2), cpu: (2.5, 9.0), steal: 7.5, warm: 0.0,
        device: "vda", interface: "ens3",
        disks: &[("/", "ext4", "/dev/vda1", 38, 51.0, 0.16)],
        gpu: None,
        tenants: &[
            tenant("caddy", "proxy", "caddy:2.10", 22, (0.6, 9.0), (48.0, 0.4), 256, 2_000.0, 150_000.0),
            tenant("shop", "shop", "registry.home.arpa/shop:1.41", 3, (2.0, 34.0), (310.0, 9.0), 768, 5_000.0, 70_000.0),
            tenant("shop-db", "shop", "postgres:16", 40, (1.0, 14.0), (420.0, 3.0), 1_024, 42_000.0, 21_000.0),
            tenant("blog", "blog", "ghost:6-alpine", 12, (0.6, 7.0), (190.0, 5.0), 512, 1_200.0, 26_000.0),
        ],
        units: &[("ssh.service", "OpenBSD Secure Shell server"), ("unattended-upgrades.service", "Unattended Upgrades Shutdown")],
        models: &[],
    },
    Place {
        name: "web-2", os: "Ubuntu 24.04.3 LTS", kernel: "6.8.0-79-generic", arch: "x86_64",
        virtualization: "kvm", cores: 2, memory: (4, 2), cpu: (2.0, 6.0), steal: 1.2, warm: 0.0,
        device: "sda", interface: "eth0",
        disks: &[("/", "ext4", "/dev/sda1", 76, 38.0, 0.09), ("/var/mail", "ext4", "/dev/sdb", 98, 57.0, 0.22)],
        gpu: None,
        tenants: &[
            tenant("mailserver", "mail", "ghcr.io/docker-mailserver/docker-mailserver:15", 35, (1.2, 6.0), (610.0, 2.0), 1_536, 26_000.0, 14_000.0),
            tenant("roundcube", "mail", "roundcube/roundcubemail:1.6.11-apache", 55, (0.4, 5.0), (96.0, 0.6), 256, 700.0, 8_000.0),
            tenant("matomo", "counting", "matomo:5", 28, (0.8, 16.0), (260.0, 16.0), 512, 9_000.0, 12_000.0),
        ],
        units: &[("ssh.service", "OpenBSD Secure Shell server"), ("certbot.timer", "Run certbot twice daily"), ("certbot.service", "Certbot")],
        models: &[],
    },
    Place {
        name: "shed", os: "Debian GNU/Linux 12 (bookworm)", kernel: "6.12.47+rpt-rpi-v7", arch: "armv7l",
        virtualization: "", cores: 4, memory: (1, 0), cpu: (1.5, 2.0), steal: 0.0, warm: 47.0,
        device: "mmcblk0", interface: "wlan0",
        disks: &[("/", "ext4", "/dev/mmcblk0p2", 14, 41.0, 0.01)],
        gpu: None,
        tenants: &[tenant("weewx", "weather", "felddy/weewx:5.1", 80, (0.8, 1.5), (70.0, 0.2), 128, 600.0, 900.0)],
        units: &[("ssh.service", "OpenBSD Secure Shell server")],
        models: &[],
    },
    Place {
        name: "gpu", os: "Debian GNU/Linux 13 (trixie)", kernel: "6.12.48-amd64", arch: "x86_64",
        virtualization: "", cores: 16, memory: (64, 8), cpu: (0.8, 2.0), steal: 0.0, warm: 38.0,
        device: "nvme0n1", interface: "enp5s0",
        disks: &[("/", "btrfs", "/dev/nvme0n1p3", 931, 28.0, 0.5)],
        gpu: Some(("NVIDIA GeForce RTX 3060", 12)),
        tenants: &[tenant("open-webui", "chat", "ghcr.io/open-webui/open-webui:v0.6.34", 6, (0.5, 4.0), (720.0, 4.0), 2_048, 3_000.0, 6_000.0)],
        units: &[("ollama.service", "Ollama Service"), ("ssh.service", "OpenBSD Secure Shell server")],
        models: &[("llama3.1:8b", 4.6, "llama", "8.0B", "Q4_K_M"), ("qwen2.5-coder:14b", 8.4, "qwen2", "14.8B", "Q4_K_M"), ("nomic-embed-text:latest", 0.26, "nomic-bert", "137M", "F16")],
    },
];
