//! A name resolves, at a given server or by the node's own resolvers. Answers are never taken from a cache.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use stead_core::time::Span;

use super::{Found, Miss, Prober, address, names};

/// Answers shown.
const SHOWN: usize = 16;

/// What is asked of whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub name: &'a str,
    pub record: &'a str,
    pub expect: Option<&'a str>,
    pub server: Option<&'a str>,
}

impl Prober {
    pub(super) async fn dns(&self, question: &Question<'_>, limit: Span) -> Found {
        let kind = record_type(question.record)?;
        let name = address::host(question.name)?;
        let name = Name::from_utf8(name)
            .map_err(|error| Miss::Unknown(format!("{name:?} is no DNS name: {error}")))?;
        let resolver = match question.server {
            Some(server) => at(server, limit)?,
            None => names::system(0)?,
        };
        let found = resolver
            .lookup(name, kind)
            .await
            .map_err(|error| Miss::Failed(names::why(&error)))?;
        let answers: Vec<String> = found
            .answers()
            .iter()
            .filter(|record| record.record_type() == kind)
            .map(|r| text(&r.data))
            .collect();
        judge(&answers, question.expect)
    }
}

fn judge(answers: &[String], expect: Option<&str>) -> Found {
    let shown = answers
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match expect {
        _ if answers.is_empty() => Err(Miss::Failed("no such record".into())),
        None => Ok(shown),
        Some(expect) if answers.iter().any(|answer| same(answer, expect)) => Ok(shown),
        Some(expect) => Err(Miss::Failed(format!("{shown}; expected {expect}"))),
    }
}

/// Names compare without their last dot and without case, addresses by value, texts exactly.
fn same(answer: &str, expect: &str) -> bool {
    let name = |text: &str| text.trim().trim_end_matches('.').to_lowercase();
    match (answer.parse::<IpAddr>(), expect.trim().parse::<IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => {
            answer == expect
                || (!answer.contains(' ') && name(answer) == name(expect))
                || words(answer) == words(expect)
        }
    }
}

/// `10 mail.example.` and `10 mail.example` are the same exchange.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.trim_end_matches('.').to_lowercase())
        .collect()
}

/// As zone files write it; the parts of a TXT record joined.
fn text(data: &RData) -> String {
    match data {
        RData::TXT(txt) => txt
            .txt_data
            .iter()
            .map(|part| String::from_utf8_lossy(part))
            .collect(),
        other => other.to_string(),
    }
}

fn record_type(record: &str) -> Result<RecordType, Miss> {
    Ok(match record.to_ascii_uppercase().as_str() {
        "A" => RecordType::A,
        "AAAA" => RecordType::AAAA,
        "CNAME" => RecordType::CNAME,
        "TXT" => RecordType::TXT,
        "MX" => RecordType::MX,
        "SRV" => RecordType::SRV,
        "NS" => RecordType::NS,
        other => {
            let why =
                format!("{other:?} cannot be asked for: use A, AAAA, CNAME, TXT, MX, SRV or NS");
            return Err(Miss::Unknown(why));
        }
    })
}

/// A resolver that asks `server` alone, by UDP, then TCP.
fn at(server: &str, limit: Span) -> Result<TokioResolver, Miss> {
    let to = server_address(server)?;
    let mut name_server = NameServerConfig::udp_and_tcp(to.ip());
    for connection in &mut name_server.connections {
        connection.port = to.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = 2;
    options.timeout = Duration::from_millis((limit.0 / 3).max(1));
    builder
        .build()
        .map_err(|error| Miss::Unknown(format!("no resolver: {error}")))
}

fn server_address(server: &str) -> Result<SocketAddr, Miss> {
    if let Ok(address) = server.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = server
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(server);
    bare.parse::<IpAddr>()
        .map(|ip| SocketAddr::new(ip, 53))
        .map_err(|_| {
            let shown: String = server.chars().take(60).collect();
            Miss::Unknown(format!(
                "{shown:?} is not ADDRESS[:PORT] of a DNS server: correct it in the fleet's files"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_compare_as_what_they_are() {
        assert!(same("Mail.Example.", "mail.example"));
        assert!(same("2001:db8::1", "2001:0db8::0001"));
        assert!(same("10 mail.example.", "10 mail.example"));
        assert!(same("v=spf1 -all", "v=spf1 -all"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
        assert!(judge(&[], None).is_err());
    }

    #[test]
    fn a_server_is_an_address_with_or_without_port() {
        assert_eq!(server_address("127.0.0.1:5353").unwrap().port(), 5353);
        assert_eq!(
            server_address("[::1]").unwrap(),
            "[::1]:53".parse().unwrap()
        );
        for bad in ["-x", "dns.example", "", "1.2.3.4:x"] {
            assert!(server_address(bad).is_err(), "{bad}");
        }
        assert!(record_type("ANY").is_err());
    }
}
