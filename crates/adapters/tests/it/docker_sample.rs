use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::seen::Seen;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_containers_use_is_read_from_their_groups_at_little_cost() {
    let Some(engine) = Engine::lab() else { return };
    let busy = engine.run(
        &["--memory", "64m"],
        &["/bin/sh", "-c", "while :; do :; done"],
    );
    let idle = engine.run(&["--network", "host"], &["sleep", "600"]);
    let docker = engine.handle();
    let mut seen = Seen::watch(&docker);
    seen.synced().await;
    let mut sampler = docker.sampler();
    let begun = Instant::now();
    sampler.sample(begun.elapsed());
    seen.during(Duration::from_secs(1)).await;
    let samples = sampler.sample(begun.elapsed());
    let of = |name: &str| {
        samples
            .iter()
            .find(|sample| sample.name == *name)
            .unwrap_or_else(|| panic!("{name}: {samples:?}"))
    };
    let (hot, cold) = (of(&busy.name), of(&idle.name));
    assert!(hot.cpu_percent > 10.0 && hot.cpu_percent < 150.0, "{hot:?}");
    assert!(
        hot.memory_bytes > 0 && hot.memory_bytes < 64 << 20 && hot.memory_limit == 64 << 20,
        "{hot:?}"
    );
    assert!(hot.net_rx_per_s.is_some(), "{hot:?}");
    assert!(
        cold.cpu_percent < 5.0 && cold.net_rx_per_s.is_none(),
        "{cold:?}"
    );
    let rounds = 50;
    let begun = Instant::now();
    for _ in 0..rounds {
        sampler.sample(begun.elapsed());
    }
    let each = begun.elapsed() / rounds / u32::try_from(samples.len()).expect("few");
    eprintln!("one reading of one container: {each:?}");
    assert!(
        each < Duration::from_millis(1),
        "{each:?}: 20 containers a second would cost over 2 % of a core"
    );
}
