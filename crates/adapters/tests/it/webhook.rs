//! The webhook against a real HTTP server on this machine. Needs no lab.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use stead_adapters::webhook::{Lookup, Webhooks};
use stead_core::controller::{Effect, Input};
use stead_core::desired::{
    Channel, Fleet, Match, Node, Patience, Ping, Route, RouteMatch, Rule, Says, Service,
    ServiceKind, Webhook,
};
use stead_core::event::{DesiredLoaded, Severity};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts, Level, LevelFacts,
    SourceFacts, SourceKind, SourceState,
};
use stead_core::time::Time;
use stead_engine::notify::{Notifier, part};
use stead_engine::{Engine, Options};
use stead_ports::clock::{ManualClock, SystemClock};
use stead_ports::log::EventLog;
use stead_ports::log::memory::{Disk, Faults, MemoryLog};
use stead_ports::notify::conformance::{self, CHATTER, Rig};
use stead_ports::notify::memory::Way;
use stead_ports::notify::{Error, Letter, Notify};
use stead_ports::secrets::{Secret, Secrets, Unavailable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const KEY: &str = "whsec_0123456789";
const AT: Time = Time(1_795_000_000_000);

/// One request as it came.
#[derive(Debug, Clone)]
struct Seen {
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// A receiver that does as it is told.
struct Receiver {
    at: SocketAddr,
    way: Arc<Mutex<Answer>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Debug, Clone)]
enum Answer {
    Like(Way),
    Status(String),
    Slow(Duration),
}

impl Receiver {
    async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let way = Arc::new(Mutex::new(Answer::Like(Way::Take)));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (answers, requests) = (Arc::clone(&way), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.lock().expect("a lock").clone();
                tokio::spawn(serve(stream, answer, Arc::clone(&requests)));
            }
        });
        Receiver { at, way, seen }
    }

    fn answer(&self, answer: Answer) {
        *self.way.lock().expect("a lock") = answer;
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("a lock").clone()
    }

    fn webhook(&self) -> Webhook {
        Webhook {
            url: format!("http://{}/hook?x=1", self.at),
            secret: Some("secret:key".into()),
            headers: [("X-Own".to_string(), "secret:header".to_string())].into(),
            allow: vec!["127.0.0.0/8".into()],
        }
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let request = Seen {
            head,
            body: bytes[end + 4..].to_vec(),
        };
        let length = request
            .header("content-length")
            .and_then(|n| n.parse().ok());
        if request.body.len() >= length.unwrap_or(0) {
            break (request.head, request.body);
        }
    };
    let status = match &answer {
        Answer::Like(Way::Take | Way::TakeAndLoseAnswer) | Answer::Slow(_) => "200 OK",
        Answer::Like(Way::Fail) => "500 Internal Server Error",
        Answer::Like(Way::Refuse) => "410 Gone",
        Answer::Like(Way::BlackHole) => return std::future::pending().await,
        Answer::Status(status) => status,
    };
    if status.starts_with("200") {
        seen.lock().expect("a lock").push(Seen { head, body });
    }
    match answer {
        Answer::Like(Way::TakeAndLoseAnswer) => return,
        Answer::Slow(wait) => tokio::time::sleep(wait).await,
        _ => {}
    }
    let length = CHATTER.len();
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{CHATTER}");
    let _ = stream.write_all(text.as_bytes()).await;
}

#[derive(Debug)]
struct Known;

impl Secrets for Known {
    fn secret(&self, name: &str) -> Result<Secret, Unavailable> {
        match name {
            "key" => Ok(Secret::new(KEY)),
            "header" => Ok(Secret::new("own-value")),
            "url" => Ok(Secret::new("http://127.0.0.1:9/T0KEN")),
            other => Err(Unavailable(format!("there is no secret {other:?}"))),
        }
    }
}

fn hooks() -> Webhooks {
    Webhooks::new(Arc::new(Known), Arc::new(ManualClock::at(AT)))
}

fn why(result: Result<(), Error>) -> String {
    match result {
        Ok(()) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

struct Real {
    receiver: Receiver,
    hooks: Arc<Webhooks>,
}

#[async_trait::async_trait]
impl Rig for Real {
    fn notify(&self) -> Arc<dyn Notify> {
        self.hooks.clone()
    }
    fn letter(&self, id: &str) -> Letter {
        conformance::letter(id, self.receiver.webhook())
    }
    async fn behave(&self, way: Way) {
        self.receiver.answer(Answer::Like(way));
    }
    async fn received(&self) -> Vec<String> {
        let id = |seen: &Seen| seen.header("stead-message-id").expect("an ID").to_owned();
        self.receiver.seen().iter().map(id).collect()
    }
}

#[tokio::test]
async fn a_webhook_carries_letters_as_every_carrier_must() {
    let rig = Real {
        receiver: Receiver::start().await,
        hooks: Arc::new(hooks()),
    };
    conformance::suite(&rig).await;
}

/// HMAC-SHA256 by the book (RFC 2104), not by the library that signed.
fn hmac(key: &[u8], text: &[u8]) -> String {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new()
        .chain_update(block.map(|b| b ^ 0x36))
        .chain_update(text)
        .finalize();
    let outer = Sha256::new()
        .chain_update(block.map(|b| b ^ 0x5c))
        .chain_update(inner)
        .finalize();
    outer.iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn a_post_is_signed_and_says_who_it_is() {
    let receiver = Receiver::start().await;
    let letter = conformance::letter("m-1", receiver.webhook());
    hooks().deliver(&letter).await.expect("taken");
    let seen = receiver.seen().remove(0);
    assert!(
        seen.head.starts_with("POST /hook?x=1 HTTP/1.1"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("x-own"), Some("own-value"));
    assert!(
        seen.header("user-agent")
            .expect("one")
            .starts_with("stead/")
    );
    let signature = seen.header("stead-signature").expect("a signature");
    let at = AT.0 / 1000;
    let signed = [format!("{at}.").as_bytes(), &seen.body].concat();
    assert_eq!(
        signature,
        format!("t={at},v1={}", hmac(KEY.as_bytes(), &signed))
    );
    let body: serde_json::Value = serde_json::from_slice(&seen.body).expect("JSON");
    assert_eq!(body["id"], "m-1");
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Slow(Duration::from_millis(300)));
    let letter = conformance::letter("m-1", receiver.webhook());
    assert_eq!(hooks().deliver(&letter).await, Ok(()));
}

#[tokio::test]
async fn s16_a_redirect_is_not_followed() {
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let to = format!("302 Found\r\nlocation: http://{}/", second.at);
    first.answer(Answer::Status(to));
    let sent = hooks()
        .deliver(&conformance::letter("m-1", first.webhook()))
        .await;
    assert!(matches!(sent, Err(Error::Never(_))), "{sent:?}");
    let why = why(sent);
    assert!(why.contains("redirects are not followed"), "{why}");
    assert!(second.seen().is_empty());
}

#[tokio::test]
async fn s16_a_private_address_is_refused_unless_it_is_allowed() {
    let receiver = Receiver::start().await;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
    ] {
        let webhook = Webhook {
            url: format!("http://{host}:{}/", receiver.at.port()),
            ..Webhook::default()
        };
        let sent = hooks().deliver(&conformance::letter("m-1", webhook)).await;
        assert!(matches!(sent, Err(Error::Never(_))), "{host}: {sent:?}");
        assert!(why(sent).contains("allow:"), "{host}");
    }
    assert!(receiver.seen().is_empty());
}

/// Another address each time it is asked.
#[derive(Debug, Default)]
struct Rebinding(AtomicUsize);

#[async_trait::async_trait]
impl Lookup for Rebinding {
    async fn lookup(&self, _: &str) -> Result<Vec<IpAddr>, String> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        let last = if asked == 0 {
            [127, 0, 0, 1]
        } else {
            [10, 0, 0, 1]
        };
        Ok(vec![[192, 168, 1, 1].into(), last.into()])
    }
}

#[tokio::test]
async fn s16_the_address_that_was_judged_is_the_one_connected_to() {
    let receiver = Receiver::start().await;
    let lookup = Arc::new(Rebinding::default());
    let clock = Arc::new(SystemClock::new());
    let hooks = Webhooks::with_lookup(Arc::new(Known), clock, lookup.clone());
    let mut webhook = receiver.webhook();
    webhook.url = format!("http://evil.example:{}/", receiver.at.port());
    let letter = conformance::letter("m-1", webhook);
    assert_eq!(
        hooks.deliver(&letter).await,
        Ok(()),
        "only what is allowed is tried"
    );
    assert_eq!(lookup.0.load(Ordering::Relaxed), 1, "asked once");
    assert_eq!(
        receiver.seen()[0]
            .header("host")
            .map(|h| h.contains("evil.example")),
        Some(true)
    );
    let again = hooks.deliver(&letter).await;
    assert!(
        matches!(again, Err(Error::Never(_))),
        "it is private now: {again:?}"
    );
}

#[tokio::test]
async fn neither_answers_nor_secrets_get_into_errors() {
    let receiver = Receiver::start().await;
    for status in [
        "500 No",
        "404 token=hunter2",
        "401 No",
        "302 Found",
        "410 Gone",
    ] {
        receiver.answer(Answer::Status(status.into()));
        let sent = hooks()
            .deliver(&conformance::letter("m-1", receiver.webhook()))
            .await;
        let why = why(sent);
        assert!(!why.contains("hunter2") && !why.contains(KEY), "{why}");
        assert!(why.contains(&status[..3]), "{why}");
    }
    let secret = Webhook {
        url: "secret:url".into(),
        allow: vec!["127.0.0.1".into()],
        ..Webhook::default()
    };
    let why_not = why(hooks().deliver(&conformance::letter("m-1", secret)).await);
    assert!(why_not.contains("secret:url"), "{why_not}");
    assert!(
        !why_not.contains("T0KEN") && !why_not.contains("127.0.0.1"),
        "{why_not}"
    );
    let unknown = Webhook {
        secret: Some("secret:nope".into()),
        ..receiver.webhook()
    };
    let why_not = why(hooks().deliver(&conformance::letter("m-1", unknown)).await);
    assert!(why_not.contains("nope"), "{why_not}");
    assert!(!format!("{:?}", hooks()).contains(KEY));
}

fn home(at: SocketAddr) -> Fleet {
    let kind = ServiceKind::Container {
        container: "z2m".parse().expect("a name"),
        definition: None,
    };
    let service = Service {
        kind,
        monitor: true,
        suspended: false,
        needs: vec![],
        patience: Patience::default(),
        checks: vec![],
    };
    let mut fleet = Fleet::default();
    let services = [("z2m".parse().expect("a name"), service)].into();
    let node = Node {
        services,
        ..Node::default()
    };
    fleet.nodes.insert("piha".parse().expect("a name"), node);
    let webhook = Webhook {
        url: format!("http://{at}/"),
        allow: vec!["127.0.0.1".into()],
        ..Webhook::default()
    };
    fleet
        .channels
        .insert("ops".into(), Channel::Webhook(webhook));
    fleet.routes.push(Route {
        name: "all".into(),
        matches: RouteMatch {
            severity: Some(Severity::Warning),
            ..RouteMatch::default()
        },
        to: vec!["ops".into()],
        ping: Ping::Never,
    });
    fleet.policy.rules.push(Rule {
        matches: Match {
            action: Some("*".into()),
            ..Match::default()
        },
        says: Says::Automatic(true),
        between: None,
        days: None,
        hours: None,
    });
    fleet
}

fn seen(health: Health, cursor: u64) -> Input {
    let docker = SourceFacts {
        state: SourceState::Up,
        version: String::new(),
        detail: String::new(),
    };
    let host = HostFacts {
        boot_id: "b".into(),
        ..HostFacts::default()
    };
    let level = LevelFacts {
        level: Level::Critical,
        value: 97.0,
        what: "/".into(),
    };
    let container = ContainerFacts {
        id: "c1".into(),
        state: ContainerState::Running,
        health,
        ..ContainerFacts::default()
    };
    let facts: Facts = [
        (FactKey::Host, Fact::Host(host)),
        (FactKey::Source(SourceKind::Docker), Fact::Source(docker)),
        (FactKey::Level("disk:/".into()), Fact::Level(level)),
        (
            FactKey::Container("z2m".parse().expect("a name")),
            Fact::Container(container),
        ),
    ]
    .into();
    Input::Snapshot {
        node: "piha".parse().expect("a name"),
        at: AT,
        facts,
        spool: "s".into(),
        cursor,
        digest: String::new(),
    }
}

#[tokio::test]
async fn f20_a_receiver_that_never_answers_delays_no_repair() {
    // It takes connections, by the kernel, and says nothing.
    let hole = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let log: Arc<dyn EventLog> =
        Arc::new(MemoryLog::open(&Disk::default(), &Faults::default()).expect("a log"));
    let head = log.head().await.expect("a head");
    let clock = Arc::new(SystemClock::new());
    let (engine, handle, effects) = Engine::new(
        log,
        clock,
        &head.log_id,
        Default::default(),
        Options::default(),
    );
    let stop = CancellationToken::new();
    let running = tokio::spawn(engine.run(stop.clone()));
    let (mut orders, messages) = part(effects);
    tokio::spawn(Notifier::new(handle.clone(), Arc::new(hooks())).run(messages, stop.clone()));
    let loaded = DesiredLoaded::default();
    let fleet = Arc::new(home(hole.local_addr().expect("an address")));
    handle.desired(loaded, fleet).await.expect("loaded");
    handle
        .submit(seen(Health::Healthy, 1))
        .await
        .expect("taken");
    // The disk's alarm is in the hole before the service falls ill.
    let (held, _) = tokio::time::timeout(Duration::from_secs(10), hole.accept())
        .await
        .expect("a connection in time")
        .expect("a connection");
    let begun = Instant::now();
    handle
        .submit(seen(Health::Unhealthy, 2))
        .await
        .expect("taken");
    let order = async { while !matches!(orders.recv().await, Some(Effect::Order { .. })) {} };
    tokio::time::timeout(Duration::from_secs(5), order)
        .await
        .expect("an order in time");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        handle.read(|v| v.world().alerts.outbox.len()),
        1,
        "it still waits"
    );
    drop(held);
    stop.cancel();
    running.await.expect("joined").expect("stopped well");
}
