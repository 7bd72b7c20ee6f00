//! Names to addresses, by a resolver of our own: a static binary cannot use the C library's.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::SystemTime;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;

use super::Miss;

/// The two files a resolver is made from; when either changes, so does the resolver.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// Answers kept for as long as they say themselves.
const CACHE: u64 = 64;
/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;

type Stamp = [Option<SystemTime>; 2];

/// The node's own view of names.
#[derive(Default)]
pub(crate) struct Names {
    made: Mutex<Option<(Stamp, TokioResolver)>>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

impl Names {
    /// Addresses of `host`, IPv4 first, at most four.
    pub(crate) async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, Miss> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = self.resolver()?.lookup_ip(host).await;
        let found = found.map_err(|error| Miss::Failed(format!("{host}: {}", why(&error))))?;
        let addresses: Vec<IpAddr> = found.iter().take(ADDRESSES).collect();
        if addresses.is_empty() {
            return Err(Miss::Failed(format!("{host}: no address")));
        }
        Ok(addresses)
    }

    fn resolver(&self) -> Result<TokioResolver, Miss> {
        let stamp = FILES.map(|file| {
            std::fs::metadata(file)
                .and_then(|data| data.modified())
                .ok()
        });
        let mut made = self.made.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((at, resolver)) = &*made
            && *at == stamp
        {
            return Ok(resolver.clone());
        }
        let resolver = system(CACHE)?;
        *made = Some((stamp, resolver.clone()));
        Ok(resolver)
    }
}

/// A resolver as `/etc/resolv.conf` describes it.
pub(crate) fn system(cache: u64) -> Result<TokioResolver, Miss> {
    let unknown = |error| Miss::Unknown(format!("no resolver ({error}): look at /etc/resolv.conf"));
    let mut builder = TokioResolver::builder_tokio().map_err(unknown)?;
    let options = builder.options_mut();
    options.cache_size = cache;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().map_err(unknown)
}

/// Why a name was not found, in few words.
pub(crate) fn why(error: &hickory_resolver::net::NetError) -> String {
    if error.is_nx_domain() {
        "no such name".into()
    } else if error.is_no_records_found() {
        "no such record".into()
    } else {
        error.to_string()
    }
}
