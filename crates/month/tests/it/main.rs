//! The last hours of the month, through the real server onto a real disk: what must be in them, and that they are the same
//! each time.

use std::path::Path;
use std::sync::Arc;

use stead_core::ids::Seq;
use stead_core::time::{Span, Time};
use stead_history::store::{Options as Kept, Store};
use stead_month::live::{Lived, Options, month};
use stead_ports::clock::ManualClock;
use stead_ports::disk::RealDisk;
use stead_ports::history::{Range, Reader, Selector};
use stead_ports::log::EventLog;
use stead_store::sqlite::{self, SqliteLog};
use tokio_util::sync::CancellationToken;

const END: Time = Time(1_795_000_000_000);
const LENGTH: Span = Span::hours(3);

fn lived(data: &Path) -> Lived {
    let options = Options {
        data: data.to_owned(),
        length: LENGTH,
        end: END,
        listen: "127.0.0.1:0".parse().expect("an address"),
        stay: false,
    };
    month(&options, &CancellationToken::new(), &mut |_| {}).expect("it is lived through")
}

/// When, of what kind, about what.
async fn told(data: &Path) -> Vec<String> {
    let log = SqliteLog::open(data, sqlite::Options::default())
        .await
        .expect("the log opens");
    let records = log.read(Seq(0), usize::MAX).await.expect("it is read");
    let line = |record: &stead_ports::log::Record| {
        format!("{} {} {:?}", record.at, record.kind, record.subject)
    };
    let told = records.iter().map(line).collect();
    log.close().await.expect("it closes");
    told
}

#[test]
fn the_same_end_gives_the_same_month_and_what_happened_in_it_is_on_the_disk() {
    let (one, other) = (
        tempfile::tempdir().expect("dir"),
        tempfile::tempdir().expect("dir"),
    );
    let events = lived(one.path()).events;
    assert_eq!(lived(other.path()).events, events);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let story = told(one.path()).await;
        assert_eq!(story, told(other.path()).await, "it is told alike");
        let has = |kind: &str| story.iter().any(|line| line.contains(kind));
        assert!(
            has("action_proposed") && has("service_unhealthy"),
            "{story:#?}"
        );
        let clock = Arc::new(ManualClock::at(END));
        let disk = Arc::new(RealDisk);
        let store = Store::open(disk, clock, &one.path().join("history"), Kept::server())
            .await
            .expect("the history opens");
        let range = Range {
            selector: Selector::metric("stead_node_memory_used_bytes"),
            from: Time(END.0 - LENGTH.0 as i64),
            to: END,
            step: Span::mins(1),
        };
        let found = store.range(&range).await.expect("an answer");
        assert_eq!(
            found.len(),
            stead_month::places::PLACES.len(),
            "each node is in it"
        );
        for series in found {
            let points = series.points.len();
            assert!((170..=181).contains(&points), "{points} of 180 minutes");
        }
    });
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let data = tempfile::tempdir().expect("dir");
    std::fs::write(data.path().join("dear"), "to somebody").expect("written");
    let options = Options {
        data: data.path().to_owned(),
        length: LENGTH,
        end: END,
        listen: "127.0.0.1:0".parse().expect("an address"),
        stay: false,
    };
    let refused = month(&options, &CancellationToken::new(), &mut |_| {});
    let why = refused.expect_err("refused").to_string();
    assert!(why.contains("is not empty"), "{why}");
    assert_eq!(std::fs::read_dir(data.path()).expect("dir").count(), 1);
}
