use super::*;
use proptest::prelude::*;

const START: i64 = 1_790_000_000_000;

/// A reading each quarter of an hour.
fn quarters(n: u64, used: impl Fn(u64) -> (u64, u64)) -> Vec<Used> {
    let one = |i: u64| {
        let (max, average) = used(i);
        let at = Time(START) + Span::mins(15 * i);
        Used { at, max, average }
    };
    (0..n).map(one).collect()
}

fn container(used: &[Used]) -> Container<'_> {
    Container {
        name: "web",
        image: "registry.lan/shop/web:1.4",
        used,
        width: Span::mins(15),
        limit: 0,
        reservation: 0,
        killed: 0,
        node_memory: 8 * GIB,
    }
}

fn of(container: &Container<'_>) -> Advice {
    let now = container.used.last().map_or(Time(START), |u| u.at);
    advise(container, now, &MemorySettings::default())
}

fn change(advice: Advice) -> Change {
    match advice {
        Advice::Change(change) => change,
        other => panic!("{other:?}"),
    }
}

/// Two days around 200 MiB with one peak of 380.
fn steady() -> Vec<Used> {
    quarters(192, |i| {
        let average = (195 + i % 7) * MIB;
        (
            if i == 77 {
                380 * MIB
            } else {
                average + 5 * MIB
            },
            average,
        )
    })
}

#[test]
fn without_a_limit_peak_and_headroom_become_one_in_a_readable_size() {
    let used = steady();
    let advice = change(of(&container(&used)));
    assert_eq!((advice.limit, advice.reservation), (512 * MIB, 224 * MIB));
    assert_eq!((advice.peak, advice.usual), (380 * MIB, 201 * MIB));
    assert_eq!(
        (
            compose_size(advice.limit).as_str(),
            compose_size(2 * GIB).as_str()
        ),
        ("512m", "2g")
    );
    assert_eq!(
        advice.why,
        [
            "it has no limit: one leak would take the whole machine",
            "it used at most 380 MiB in 2 days; the limit leaves 132 MiB above that",
            "it stays below 201 MiB nearly always: that is the reservation, with a little room",
        ]
    );
}

#[test]
fn a_limit_that_fits_is_left_alone_one_too_tight_or_too_wide_is_not() {
    let used = steady();
    let with = |limit| {
        of(&Container {
            limit,
            ..container(&used)
        })
    };
    assert!(matches!(with(512 * MIB), Advice::Fits { peak, .. } if peak == 380 * MIB));
    assert!(matches!(with(GIB), Advice::Fits { .. }));
    assert!(
        matches!(with(494 * MIB), Advice::Fits { .. }),
        "peak and headroom, unrounded"
    );
    let tight = change(with(400 * MIB));
    assert_eq!(tight.limit, 512 * MIB);
    assert_eq!(
        tight.why[0],
        "its limit of 400 MiB leaves 20 MiB above its peak: too little for a busy day"
    );
    let wide = change(with(GIB + 1));
    assert_eq!(wide.limit, 512 * MIB);
    assert!(wide.why[0].contains("others could use that"), "{wide:?}");
}

#[test]
fn what_was_killed_at_its_limit_gets_a_higher_one() {
    let used = quarters(192, |_| (250 * MIB, 240 * MIB));
    let killed = Container {
        limit: 256 * MIB,
        killed: 3,
        ..container(&used)
    };
    let advice = change(of(&killed));
    assert_eq!(
        advice.limit,
        384 * MIB,
        "half again, although peak and headroom are 325 MiB"
    );
    assert!(
        advice.why[0].starts_with("it was killed more than once at its limit of 256 MiB"),
        "{advice:?}"
    );
    // Even where the present limit would fit what was seen.
    let roomy = Container {
        limit: 512 * MIB,
        killed: 1,
        ..container(&used)
    };
    assert_eq!(change(of(&roomy)).limit, 768 * MIB);
    let none = Container {
        killed: 1,
        ..container(&used)
    };
    assert!(change(of(&none)).why[0].contains("no limit of its own"));
}

#[test]
fn llm_runtimes_are_never_advised_on_by_name_or_image() {
    let used = steady();
    for (name, image) in [
        ("ollama", "x"),
        ("ai", "docker.io/Ollama/ollama:0.5"),
        ("my-llama-server", "x"),
        ("x", "vllm/vllm-openai"),
    ] {
        let advice = of(&Container {
            name,
            image,
            killed: 5,
            limit: MIB,
            ..container(&used)
        });
        let Advice::Refused {
            why: why @ Refusal::Excluded { .. },
        } = advice
        else {
            panic!("{name} {image}: {advice:?}")
        };
        assert!(why.to_string().contains("exclusion list"));
    }
    let settings = MemorySettings {
        exclude: vec!["web".into()],
        ..MemorySettings::default()
    };
    let advice = advise(&container(&used), Time(START), &settings);
    assert!(matches!(
        advice,
        Advice::Refused {
            why: Refusal::Excluded { .. }
        }
    ));
}

#[test]
fn less_than_a_day_gaps_and_a_machine_too_small_are_refused() {
    let why = |advice| match advice {
        Advice::Refused { why } => why.to_string(),
        other => panic!("{other:?}"),
    };
    let day = steady();
    assert_eq!(
        why(of(&container(&day[..95]))),
        "measured for 23 hours, and advice takes 24 hours"
    );
    assert!(matches!(of(&container(&day[..96])), Advice::Change(_)));
    assert_eq!(
        why(of(&container(&[]))),
        "measured for 0 seconds, and advice takes 24 hours"
    );
    let gaps: Vec<Used> = day
        .iter()
        .enumerate()
        .filter(|(i, _)| i % 4 == 0 || *i == 191)
        .map(|(_, u)| *u)
        .collect();
    assert_eq!(
        why(of(&container(&gaps))),
        "only 25 % of the time was measured, and advice takes 80 %"
    );
    let huge = quarters(100, |_| (7 * GIB, 6 * GIB));
    assert_eq!(
        why(of(&container(&huge))),
        "it would take a limit of 9.5 GiB, and the machine has 8 GiB: move it, or what runs beside it"
    );
}

#[test]
fn a_leak_is_told_of() {
    let leak = quarters(192, |i| ((100 + i) * MIB, (99 + i) * MIB));
    let advice = change(of(&container(&leak)));
    let last = advice.why.last().expect("reasons");
    assert_eq!(
        last,
        "its use has been growing by 96 MiB a day and would meet this limit in 24 hours: look for a leak first"
    );
}

#[test]
fn an_average_above_its_maximum_is_the_peak() {
    let used = quarters(100, |_| (0, 250 * MIB));
    assert_eq!(change(of(&container(&used))).peak, 250 * MIB);
}

#[test]
fn without_headroom_the_reservation_still_ends_at_the_limit() {
    let used = quarters(100, |_| (250 * MIB, 250 * MIB));
    let settings = MemorySettings {
        headroom: 0,
        least_headroom: 0,
        ..MemorySettings::default()
    };
    let advice = change(advise(&container(&used), Time(START), &settings));
    assert_eq!((advice.limit, advice.reservation), (256 * MIB, 256 * MIB));
}

#[test]
fn sizes_are_rounded_up_to_what_people_write() {
    let mib = |n: u64| readable(n * MIB) / MIB;
    assert_eq!(
        [1, 16, 17, 250, 256, 257, 700, 1025, 3000, 5000, 20_000].map(mib),
        [16, 16, 32, 256, 256, 320, 704, 1280, 3072, 5120, 20_480]
    );
    assert_eq!(readable(0), 16 * MIB);
    assert_eq!(
        (
            compose_size(1536 * MIB).as_str(),
            compose_size(1000).as_str()
        ),
        ("1536m", "1000b")
    );
}

proptest! {
    #[test]
    fn a_limit_is_above_the_peak_and_above_the_reservation(
        used in prop::collection::vec((0u64..6 * GIB, 0u64..6 * GIB), 96..200), limit in 0u64..8 * GIB, killed in 0u32..3
    ) {
        let used = quarters(used.len() as u64, |i| used[i as usize]);
        let given = Container { limit, killed, node_memory: 64 * GIB, ..container(&used) };
        match of(&given) {
            Advice::Change(change) => {
                prop_assert!(used.iter().all(|u| u.average < change.limit));
                prop_assert!(change.limit > change.peak && change.reservation <= change.limit);
                prop_assert!(killed == 0 || change.limit > limit);
                prop_assert!(!change.why.is_empty());
            }
            Advice::Fits { peak, .. } => prop_assert!(limit > peak && killed == 0),
            Advice::Refused { why } => prop_assert!(false, "{why}"),
        }
    }

    #[test]
    fn whatever_was_measured_it_does_not_panic(
        used in prop::collection::vec((any::<u64>(), any::<u64>()), 0..120), limit: u64, killed: u32, node_memory: u64
    ) {
        let used = quarters(used.len() as u64, |i| used[i as usize]);
        of(&Container { limit, killed, node_memory, ..container(&used) });
    }
}

#[test]
fn a_small_container_gets_room_as_well() {
    let used = quarters(192, |_| (20 * MIB, 20 * MIB));
    let advice = change(of(&container(&used)));
    assert_eq!(advice.limit, 64 * MIB, "20 and 32 MiB of room, not 26");
}
