//! F3: a disk that is full. Reading lives on, writing goes on by itself once there is room.

use stead_history::store::Store;
use stead_ports::history::{Error, Point, Selector, Writer};

use crate::places::{HOUR, Place, START, append, entry, labels, plain, points, value};

/// What there is of the hour before the start.
async fn an_hour(store: &Store) -> Vec<Point> {
    let cpu = Selector::metric("cpu");
    points(store, &cpu, START - HOUR, START, 10_000).await
}

#[tokio::test]
async fn f3_a_full_disk_refuses_what_comes_reads_live_on_and_it_resumes() {
    for room in (0..4_000).step_by(61) {
        let place = Place::server();
        let store = place.open().await;
        let cpu = labels("cpu", "a");
        append(
            &store,
            &cpu,
            (0..100).map(|n| (START - HOUR + n * 10_000, value(0, n))),
        )
        .await;
        place.disk.set_room(Some(room));
        let mut accepted = 100;
        let mut full = false;
        for _ in 0..20 {
            let batch = (accepted..accepted + 13)
                .map(|n| entry(&cpu, START - HOUR + n * 10_000, value(0, n)));
            match store.append(batch.collect()).await {
                Ok(_) => accepted += 13,
                Err(error) => {
                    assert_eq!((&error, error.code()), (&Error::Full, "history-full"));
                    full = true;
                }
            }
            if let Err(error) = store.flush().await {
                assert_eq!(error, Error::Full);
                full = true;
            }
            store.merge().await.ok();
            let there = an_hour(&store).await;
            assert_eq!(there.len() as i64, accepted, "room {room}");
        }
        assert!(full, "room {room}");
        place.disk.set_room(None);
        store.flush().await.unwrap();
        store.keep().await.unwrap();
        append(&store, &cpu, [(START, 1.0)]).await;
        let mut store = store;
        for _ in 0..2 {
            let there = an_hour(&store).await;
            let wanted: Vec<(i64, f64)> = (0..accepted)
                .map(|n| (START - HOUR + n * 10_000, value(0, n)))
                .collect();
            assert_eq!(plain(&there), wanted, "room {room}");
            store = place.open().await;
        }
    }
}
