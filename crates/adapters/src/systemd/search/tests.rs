use super::*;

fn wanted(text: &str, units: &[&str], most: usize) -> Wanted {
    Wanted {
        text: text.to_owned(),
        units: units.iter().map(|u| u.parse().expect("a unit")).collect(),
        since: Time(0),
        most,
        within: Duration::from_secs(5),
    }
}

fn entry(unit: &str, micros: i64, message: &str) -> String {
    let message = serde_json::to_string(message).expect("text");
    format!(
        "{{\"__REALTIME_TIMESTAMP\":\"{micros}\",\"PRIORITY\":\"3\",\"_SYSTEMD_UNIT\":\"{unit}\",\"MESSAGE\":{message}}}\n"
    )
}

async fn searched(text: &str, wanted: &Wanted) -> (Searched, bool) {
    let mut look = Look::new(wanted);
    let mut from = tokio::io::BufReader::new(text.as_bytes());
    let whole = look.through(&mut from).await.expect("read");
    (look.end(), whole)
}

#[tokio::test]
async fn lines_are_found_in_the_units_that_are_meant_and_told_oldest_first() {
    let text = entry("nginx.service", 3_000_123, "Refused the third")
        + &entry("ssh.service", 2_000_000, "refused the second")
        + "half a li\n"
        + "{\"__REALTIME_TIMESTAMP\":\"1500000\",\"MESSAGE\":\"refused by no unit\"}\n"
        + "{\"__REALTIME_TIMESTAMP\":\"1400000\",\"_SYSTEMD_UNIT\":\"docker.service\",\"CONTAINER_NAME\":\"web\",\"MESSAGE\":\"refused in a container\"}\n"
        + "{\"__REALTIME_TIMESTAMP\":\"1300000\",\"_SYSTEMD_UNIT\":\"init.scope\",\"UNIT\":\"cron.service\",\"MESSAGE\":[114,101,102,117,115,101,100,255]}\n"
        + "{\"__REALTIME_TIMESTAMP\":\"1200000\",\"_SYSTEMD_UNIT\":\"liar.service\",\"UNIT\":\"ssh.service\",\"MESSAGE\":\"refused, they say\"}\n"
        + &entry("nginx.service", 1_000_000, "accepted");
    let (all, whole) = searched(&text, &wanted("REFUSED", &[], 10)).await;
    let told: Vec<_> = all
        .found
        .iter()
        .map(|f| (f.unit.as_str(), f.at.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("liar.service", "1970-01-01T00:00:01.200000000Z"),
            ("cron.service", "1970-01-01T00:00:01.300000000Z"),
            ("ssh.service", "1970-01-01T00:00:02.000000000Z"),
            ("nginx.service", "1970-01-01T00:00:03.000123000Z"),
        ]
    );
    assert_eq!(
        all.found[1].text, "refused\u{fffd}",
        "bytes that are no text"
    );
    assert!(all.found[2].error && whole);
    assert_eq!((all.lines, all.limits.len()), (8, 0));
    let (one, _) = searched(&text, &wanted("refused", &["ssh.service"], 10)).await;
    assert_eq!(one.found.len(), 1);
}

#[tokio::test]
async fn a_secret_is_not_found_by_guessing() {
    let text = entry("a.service", 1, "password=hunter2 was wrong");
    let (guess, _) = searched(&text, &wanted("hunter2", &[], 10)).await;
    assert_eq!(guess.found, []);
    let (shown, _) = searched(&text, &wanted("was wrong", &[], 10)).await;
    assert_eq!(shown.found[0].text, "password=*** was wrong");
}

#[tokio::test]
async fn the_newest_stay_and_what_is_left_out_is_said() {
    let many: String = (0..5000)
        .map(|n| entry("a.service", 9_000_000 - n, "x"))
        .collect();
    let (few, whole) = searched(&many, &wanted("x", &[], 3)).await;
    assert_eq!((few.found.len(), few.lines, whole), (3, 3, false));
    assert_eq!(few.found[2].at, "1970-01-01T00:00:09.000000000Z");
    assert!(few.limits[0].contains("newest 3 lines"), "{:?}", few.limits);
    let long = "y".repeat(1000);
    let many: String = (0..5000).map(|n| entry("a.service", n, &long)).collect();
    let (full, _) = searched(&many, &wanted("y", &[], 5000)).await;
    let bytes: usize = full.found.iter().map(|f| f.text.len()).sum();
    assert!(
        bytes < FOUND_BYTES + 2048 && full.limits.len() == 1,
        "{bytes}"
    );
}

#[tokio::test]
async fn lines_and_bytes_that_are_looked_at_are_bounded() {
    let many = entry("a.service", 5_000_000, "no").repeat(usize::try_from(LINES).unwrap() + 10);
    let (none, whole) = searched(&many, &wanted("x", &[], 3)).await;
    assert_eq!((none.lines, whole), (LINES, false));
    assert!(
        none.limits[0].contains("back to 1970-01-01T00:00:05"),
        "{:?}",
        none.limits
    );
}

#[tokio::test]
async fn a_line_of_ten_megabytes_and_a_binary_one_cost_no_more_than_others() {
    let long = "needle ".repeat(10 << 17);
    let bytes: Vec<String> = (0..=255_u16).map(|b| b.to_string()).collect();
    let nameless = long.replace("needle", "nobody");
    let text = entry("big.service", 3_000_000, &long)
        + &format!(
            "{{\"__REALTIME_TIMESTAMP\":\"2\",\"MESSAGE\":\"{nameless}\",\"_SYSTEMD_UNIT\":\"late.service\"}}\n"
        )
        + &format!(
            "{{\"__REALTIME_TIMESTAMP\":\"2000000\",\"_SYSTEMD_UNIT\":\"raw.service\",\"MESSAGE\":[{}]}}\n",
            bytes.join(",")
        )
        + &entry("a.service", 1_000_000, "a needle");
    let (found, whole) = searched(&text, &wanted("needle", &[], 10)).await;
    assert!(whole);
    let units: Vec<_> = found.found.iter().map(|f| f.unit.as_str()).collect();
    assert_eq!(units, ["a.service", "big.service"]);
    assert!(found.found[1].text.len() <= FOUND_LINE + 8);
    assert!(
        found.limits[0].starts_with("1 lines of the journal are longer"),
        "{:?}",
        found.limits
    );
    let (raw, _) = searched(&text, &wanted("ABCDEF", &[], 10)).await;
    assert_eq!(raw.found[0].unit.as_str(), "raw.service");
}

#[tokio::test]
async fn a_long_line_of_a_container_is_the_containers_and_nothing_is_missing() {
    let long = "needle ".repeat(10 << 12);
    let text = format!(
        "{{\"__REALTIME_TIMESTAMP\":\"2000000\",\"_SYSTEMD_UNIT\":\"docker.service\",\"CONTAINER_NAME\":\"web\",\"MESSAGE\":\"{long}\"}}\n"
    );
    assert!(text.len() > ENTRY);
    let (none, whole) = searched(&text, &wanted("needle", &[], 10)).await;
    assert_eq!((none.found, none.limits), (vec![], vec![]));
    assert!(whole);
}
