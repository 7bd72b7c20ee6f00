//! `policy show` and `policy test`: what may happen without asking, and what another policy would have done.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use stead_core::policy::Now;
use stead_core::time::Time;
use stead_engine::backtest::{Question, backtest};
use stead_engine::{past, replay, zone};
use stead_protocol::api::{
    Policy, PolicyDecision, PolicyTest, PolicyTestLine, PolicyTested, Verdict,
};
use stead_server::present;

use crate::args::{PolicyShow, PolicyTest as TestArgs};
use crate::client::{Client, escaped};
use crate::failure::{Exit, Failure};
use crate::output::{Output, clock, line, safe};

/// Decisions shown unless all are asked for.
const SHOWN: usize = 30;

pub async fn show(client: &Client, out: Output, args: &PolicyShow) -> Result<(), Failure> {
    if let (Some(subject), Some(action)) = (&args.subject, &args.action) {
        return verdict(client, out, subject, action).await;
    }
    let policy: Policy = client.get("/api/v1/policy").await?;
    if out.json {
        out.json(&policy);
        return Ok(());
    }
    out.moment(client.told_at());
    let asked = args.subject.as_deref();
    let kinds = policy.kinds.iter().filter(|k| k.available);
    let rows = kinds.map(|k| {
        vec![
            k.kind.clone(),
            k.level.to_string(),
            k.risk.clone(),
            out.state(&k.verdict.answer),
            safe(&k.verdict.text),
        ]
    });
    out.table(
        &["action", "level", "risk", "now", "because"],
        rows.collect(),
    );
    rules(out, &policy);
    let l = &policy.limits;
    line(&format!(
        "\nlimits: {} repairs of a target per hour, {} at once, {} on a node; the brake at {} % drifting; back-off {} s, \
         given up after {}",
        l.per_target_per_hour,
        l.concurrent,
        l.concurrent_per_node,
        l.mass_drift,
        l.back_off_ms / 1000,
        l.give_up_after
    ));
    let c = &policy.calendar;
    let zone = c.timezone.as_deref().unwrap_or("the server's own");
    line(&format!(
        "calendar: {zone}, business {}, now {}",
        c.business,
        if c.is_business {
            "business"
        } else {
            "outside business"
        }
    ));
    if let Some(subject) = asked {
        line(&out.dim(&format!(
            "stead policy show {subject} ACTION   what it says of one action there"
        )));
    }
    Ok(())
}

fn rules(out: Output, policy: &Policy) {
    if policy.rules.is_empty() {
        line(&format!(
            "\nNo rules: without asking up to level {}, where the risk is low.",
            policy.max_level
        ));
        return;
    }
    line("");
    let rows = policy.rules.iter().map(|r| {
        let holds = if r.holds_now { "holds" } else { "not now" };
        vec![
            format!("policy.rules[{}]", r.index),
            holds.to_string(),
            safe(&r.text),
        ]
    });
    out.table(&["rule", "now", "says"], rows.collect());
}

async fn verdict(client: &Client, out: Output, subject: &str, action: &str) -> Result<(), Failure> {
    let path = format!(
        "/api/v1/policy/verdict?subject={}&action={}",
        escaped(subject),
        escaped(action)
    );
    let verdict: Verdict = client.get(&path).await?;
    if out.json {
        out.json(&verdict);
        return Ok(());
    }
    out.moment(client.told_at());
    line(&format!(
        "{} {}",
        out.state(&verdict.answer),
        safe(&verdict.text)
    ));
    line(&format!("  rule   {}", safe(&verdict.rule)));
    if let Some(limit) = &verdict.limit {
        line(&format!("  limit  {}", safe(limit)));
    }
    Ok(())
}

/// On the server.
pub async fn test(client: &Client, out: Output, args: &TestArgs) -> Result<(), Failure> {
    let asked = PolicyTest {
        policy: text_of(&args.file)?,
        since: args.since.clone(),
        until: args.until.clone(),
    };
    let mut ended = None;
    let mut shown = Shown::new(out);
    client
        .lines(
            "/api/v1/policy/test",
            &asked,
            |text| match serde_json::from_str::<PolicyTestLine>(text) {
                Ok(PolicyTestLine::Progress { done, total, at }) => {
                    shown.progress(done, total, &at)
                }
                Ok(PolicyTestLine::Tested(tested)) => ended = Some(Ok(tested)),
                Ok(PolicyTestLine::Problem(problem)) => {
                    ended = Some(Err(Failure::of_problem(problem)));
                }
                Err(_) => {}
            },
        )
        .await?;
    shown.clear();
    let cut = || {
        let remedy = "try again; the server's own log says more";
        Failure::new(
            Exit::Failed,
            "bad-answer",
            "the answer ended before its end",
            remedy,
        )
    };
    print(out, &*ended.ok_or_else(cut)??, args.all);
    Ok(())
}

/// On a data directory whose server does not run.
pub async fn test_offline(out: Output, args: &TestArgs, data: &Path) -> Result<(), Failure> {
    let text = text_of(&args.file)?;
    let log = super::serve::open_log(data, false).await?;
    let world = replay(&*log, true)
        .await
        .map_err(super::serve::log_failure)?
        .world;
    let policy = stead_fleet::trial(&text, &world.fleet).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let help = problems.first().map(|p| p.help.clone()).unwrap_or_default();
        Failure::new(Exit::Refused, "policy-broken", lines.join("\n"), help)
    })?;
    let home = zone::machine();
    let local = |at: Time| -> Now { zone::local(&home, at) };
    let now = local(now());
    let instant = |text: &str| {
        past::instant(text, now, local).map_err(|e| {
            Failure::new(
                Exit::Usage,
                "bad-query",
                e.to_string(),
                "correct the instant",
            )
        })
    };
    let question = Question {
        policy,
        since: instant(&args.since)?,
        until: args.until.as_deref().map_or(Ok(now.at), instant)?,
        zone: home.clone(),
    };
    let (tell, heard) = tokio::sync::watch::channel(Default::default());
    let mut shown = Shown::new(out);
    let report = backtest(&log, question, now.at, Some(tell));
    let report = watched(report, heard, &mut shown).await;
    shown.clear();
    let report =
        report.map_err(|e| Failure::new(Exit::Failed, e.code(), e.to_string(), e.remedy()))?;
    log.close().await.map_err(super::serve::log_failure)?;
    print(out, &present::tested(&report), args.all);
    Ok(())
}

async fn watched<T>(
    work: impl Future<Output = T>,
    mut heard: tokio::sync::watch::Receiver<stead_engine::backtest::Progress>,
    shown: &mut Shown,
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            Ok(()) = heard.changed() => {
                let p = *heard.borrow_and_update();
                shown.progress(p.done, p.total, &p.at.to_string());
            }
        }
    }
}

/// How far it is, on a terminal only.
struct Shown {
    on: bool,
}

impl Shown {
    fn new(out: Output) -> Shown {
        Shown {
            on: !out.json && std::io::stderr().is_terminal(),
        }
    }
    fn progress(&mut self, done: u64, total: u64, at: &str) {
        if self.on {
            let share = (done * 100).checked_div(total).unwrap_or(0);
            eprint!("\r{share:3} % of {total} events, at {}\u{1b}[K", clock(at));
            let _ = std::io::stderr().flush();
        }
    }
    fn clear(&self) {
        if self.on {
            eprint!("\r\u{1b}[K");
        }
    }
}

/// A shell: the one place here that reads the clock.
fn now() -> Time {
    let since = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The `stead.yaml` at `path`, or in the fleet directory there.
fn text_of(path: &Path) -> Result<String, Failure> {
    let candidates: Vec<PathBuf> = if path.is_dir() {
        ["stead.yaml", "stead.yml"].map(|f| path.join(f)).into()
    } else {
        vec![path.to_path_buf()]
    };
    let found = candidates.iter().find(|p| p.is_file()).ok_or_else(|| {
        let what = format!("{} is no stead.yaml and holds none", path.display());
        let remedy = "name a stead.yaml, or a fleet directory";
        Failure::new(Exit::NotFound, "no-policy", what, remedy)
    })?;
    std::fs::read_to_string(found).map_err(|e| {
        let what = format!("{} cannot be read: {e}", found.display());
        Failure::new(
            Exit::Failed,
            "no-policy",
            what,
            "check the file and its permissions",
        )
    })
}

fn print(out: Output, tested: &PolicyTested, all: bool) {
    if out.json {
        out.json(tested);
        return;
    }
    let decisions = |list: &[PolicyDecision], title: &str| {
        if list.is_empty() {
            return;
        }
        let from = if all {
            0
        } else {
            list.len().saturating_sub(SHOWN)
        };
        line("");
        line(&out.bold(title));
        if from > 0 {
            line(&out.dim(&format!("  {from} earlier ones; --all shows them")));
        }
        out.table(
            &["when", "subject", "action", "answer", "because", "outcome"],
            list[from..].iter().map(|d| row(out, d)).collect(),
        );
    };
    decisions(&tested.would_list, "would have been decided");
    if all {
        decisions(&tested.was_list, "was decided");
    }
    line("");
    counts(out, tested);
    line("");
    line(&out.bold(&safe(&tested.summary)));
    line(&out.dim(&format!(
        "{} to {}: {} events, {} of them observed. Orders were answered as done; what they would have changed nobody knows.",
        clock(&tested.since),
        clock(&tested.until),
        tested.events,
        tested.given
    )));
}

fn row(out: Output, d: &PolicyDecision) -> Vec<String> {
    let because = d.limit.as_ref().unwrap_or(&d.rule);
    vec![
        clock(&d.at),
        d.subject.clone(),
        d.action.clone(),
        out.state(&d.answer),
        safe(because),
        out.state(d.outcome.as_deref().unwrap_or("open")),
    ]
}

/// What would have been beside what was.
fn counts(out: Output, tested: &PolicyTested) {
    let (would, was) = (&tested.would, &tested.was);
    let mut rows = Vec::new();
    let mut add = |what: String, would: u64, was: u64| {
        let more = i128::from(would) - i128::from(was);
        let more = if more == 0 {
            String::new()
        } else {
            format!("{more:+}")
        };
        rows.push(vec![what, would.to_string(), was.to_string(), more]);
    };
    add("without asking".to_string(), would.automatic, was.automatic);
    let kinds: std::collections::BTreeSet<_> =
        would.by_kind.keys().chain(was.by_kind.keys()).collect();
    for kind in kinds {
        let of =
            |sum: &std::collections::BTreeMap<String, u64>| sum.get(kind).copied().unwrap_or(0);
        add(format!("  {kind}"), of(&would.by_kind), of(&was.by_kind));
    }
    add("  seen to help".to_string(), would.verified, was.verified);
    add("  not seen to help".to_string(), would.failed, was.failed);
    add("asked".to_string(), would.asked, was.asked);
    add("refused by limit".to_string(), would.refused, was.refused);
    let limits: std::collections::BTreeSet<_> =
        would.by_limit.keys().chain(was.by_limit.keys()).collect();
    for limit in limits {
        let of =
            |sum: &std::collections::BTreeMap<String, u64>| sum.get(limit).copied().unwrap_or(0);
        add(
            format!("  {}", safe(limit)),
            of(&would.by_limit),
            of(&was.by_limit),
        );
    }
    add("over before it began".to_string(), would.waited, was.waited);
    add("paged".to_string(), would.paged, was.paged);
    add("messages".to_string(), would.messages, was.messages);
    add("brake engaged".to_string(), would.braked, was.braked);
    out.table(&["", "would", "was", "difference"], rows);
}
