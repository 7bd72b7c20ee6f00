//! What one sample of this machine costs: time, and allocations.
//!
//! `cargo bench -p stead-adapters --bench host`. The budget is 0.4 % of a core at one sample a second: 4,000 µs.

// Counting allocations needs an allocator, and a benchmark reads the clock.
#![allow(unsafe_code, clippy::disallowed_methods)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use stead_adapters::host::{Host, Levels};
use stead_core::time::Time;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut host = Host::at("/");
    let mut levels = Levels::new();
    let thresholds = Default::default();
    // The first samples open files and grow buffers.
    for n in 0..10 {
        levels.observe(host.sample(Time(n)), &thresholds);
    }
    let mut watch = host.oom_watch();
    measure("sample", 2000, |n| {
        host.sample(Time(n));
    });
    measure("sample and judge", 2000, |n| {
        drop(levels.observe(host.sample(Time(n)), &thresholds))
    });
    measure("sample as JSON", 2000, |n| {
        drop(serde_json::to_vec(host.sample(Time(n))))
    });
    measure("look for OOM kills", 2000, |n| {
        drop(watch.poll(Time(n), None))
    });
    measure("facts", 200, |_| drop(host.facts()));
    let json = serde_json::to_vec(host.sample(Time(0))).map_or(0, |json| json.len());
    println!(
        "a sample is {json} bytes of JSON; resident: {} KiB",
        resident()
    );
}

fn measure(what: &str, times: i64, mut work: impl FnMut(i64)) {
    let allocations = ALLOCATIONS.load(Ordering::Relaxed);
    let started = Instant::now();
    let mut slowest = 0;
    for n in 0..times {
        let one = Instant::now();
        work(n);
        slowest = slowest.max(one.elapsed().as_micros());
    }
    let mean = started.elapsed().as_secs_f64() * 1e6 / times as f64;
    let allocations = (ALLOCATIONS.load(Ordering::Relaxed) - allocations) as f64 / times as f64;
    println!("{what:20} {mean:8.1} µs  slowest {slowest:6} µs  {allocations:6.2} allocations");
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}
