//! An HTTP request and what its answer must be.
//!
//! Each question opens its own connection: a pooled one would answer for a listener that is long gone. A redirect is
//! followed only where it is not itself an accepted answer, never from https to http, never with the owner's headers to
//! another host, never to another scheme (S17). The body is looked into, not repeated.

use std::time::Instant;

use base64::Engine;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use stead_core::desired::HttpProbe;
use stead_core::time::Span;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Found, Miss, Prober, Stage, address};

/// Bytes of the body looked into.
const BODY: usize = 64 * 1024;
/// Redirects followed.
const HOPS: usize = 5;

/// One request on its way.
struct Target {
    uri: Uri,
    host: String,
    port: u16,
    secure: bool,
}

/// What came back, as far as it is judged.
struct Reply {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

impl Prober {
    pub(super) async fn http(&self, probe: &HttpProbe, limit: Span, stage: &Stage) -> Found {
        let method = Method::from_bytes(probe.method.as_bytes())
            .ok()
            .filter(|method| method != Method::CONNECT);
        let method = method.ok_or_else(|| {
            Miss::Unknown(format!("{:?} is no method: use GET or HEAD", probe.method))
        })?;
        let started = Instant::now();
        let mut target = target(&probe.url)?;
        let first = (target.secure, target.host.clone(), target.port);
        for _ in 0..=HOPS {
            // The owner's headers are for the host the owner named.
            let own = first == (target.secure, target.host.clone(), target.port);
            let request = self.request(probe, &method, &target, own)?;
            let reply = self.exchange(request, &target, probe, limit, stage).await?;
            let Some(location) = follow(&reply, probe, &method) else {
                let took = Span(started.elapsed().as_millis() as u64);
                return judge(&reply, took, probe);
            };
            target = redirected(&target, location)?;
        }
        Err(Miss::Failed(format!("more than {HOPS} redirects")))
    }

    fn request(
        &self,
        probe: &HttpProbe,
        method: &Method,
        target: &Target,
        own: bool,
    ) -> Result<Request<Empty<Bytes>>, Miss> {
        let path = target
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = path
            .parse()
            .map_err(|_| Miss::Unknown("the path of the URL is unreadable".into()))?;
        let headers = request.headers_mut();
        let authority = target.uri.authority().map_or("", |a| a.as_str());
        let (user, authority) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(user, host)| (Some(user), host));
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| Miss::Unknown("a header has a value that no header can have".into()))
        };
        headers.insert(HOST, value(authority)?);
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("stead/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        if own {
            if let Some(user) = user {
                let encoded = base64::engine::general_purpose::STANDARD.encode(unescape(user));
                headers.insert(AUTHORIZATION, value(&format!("Basic {encoded}"))?);
            }
            for (name, text) in &probe.headers {
                let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                    Miss::Unknown(format!("{name:?} is no header name: correct it"))
                })?;
                headers.insert(key, value(&self.secret(text)?)?);
            }
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request<Empty<Bytes>>,
        target: &Target,
        probe: &HttpProbe,
        limit: Span,
        stage: &Stage,
    ) -> Result<Reply, Miss> {
        let stream = self
            .connect(&target.host, target.port, limit, stage)
            .await?;
        let _ = stream.set_nodelay(true);
        if target.secure {
            let stream = self
                .tls
                .open(stream, &target.host, !probe.insecure, stage)
                .await?;
            converse(stream, request, probe.body.as_deref(), stage).await
        } else {
            converse(stream, request, probe.body.as_deref(), stage).await
        }
    }
}

/// Sends the request and reads the answer, as much of its body as `wanted` needs.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Empty<Bytes>>,
    wanted: Option<&str>,
    stage: &Stage,
) -> Result<Reply, Miss> {
    let failed = |error: hyper::Error| {
        let cause = std::error::Error::source(&error)
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default();
        Miss::Failed(format!("{error}{cause}"))
    };
    stage.enter("waiting for the answer");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        stage.enter(format!("reading the body, status {}", status.as_u16()));
        let body = match wanted {
            Some(wanted) => read(response.into_body(), wanted.as_bytes())
                .await
                .map_err(failed)?,
            None => Vec::new(),
        };
        Ok(Reply {
            status,
            location,
            body,
        })
    };
    // The connection must be driven while it is talked over; when it ends first, what was received is still read.
    let driver = async {
        let _ = connection.await;
        std::future::pending::<Result<Reply, Miss>>().await
    };
    tokio::select! {
        biased;
        reply = talk => reply,
        never = driver => never,
    }
}

/// The body's first bytes, up to the text that is looked for or [`BODY`].
async fn read(mut body: Incoming, wanted: &[u8]) -> Result<Vec<u8>, hyper::Error> {
    let mut read = Vec::new();
    while read.len() < BODY {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(data) = frame?.into_data() {
            // A text may lie across two frames.
            let from = read.len().saturating_sub(wanted.len());
            read.extend_from_slice(&data[..data.len().min(BODY - read.len())]);
            if contains(&read[from..], wanted) {
                break;
            }
        }
    }
    Ok(read)
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted)
}

fn judge(reply: &Reply, took: Span, probe: &HttpProbe) -> Found {
    let text = format!("status {} in {took}", reply.status.as_u16());
    let accepted = match probe.status {
        Some(status) => reply.status.as_u16() == status,
        None => reply.status.as_u16() < 400,
    };
    if !accepted {
        let expected = probe
            .status
            .map_or_else(|| "below 400".into(), |status| status.to_string());
        return Err(Miss::Failed(format!("{text}, expected {expected}")));
    }
    if let Some(wanted) = probe
        .body
        .as_deref()
        .filter(|wanted| !contains(&reply.body, wanted.as_bytes()))
    {
        let size = reply.body.len();
        return Err(Miss::Failed(format!(
            "{text}, but {wanted:?} is not in the body ({size} bytes read)"
        )));
    }
    match probe.latency {
        Some(bound) if took > bound => Err(Miss::Failed(format!("{text}, slower than {bound}"))),
        _ => Ok(text),
    }
}

/// Where to go on, if the answer is a redirect that does not itself satisfy the probe.
fn follow<'a>(reply: &'a Reply, probe: &HttpProbe, method: &Method) -> Option<&'a str> {
    let redirect = matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let wanted = match probe.status {
        Some(status) => status != reply.status.as_u16(),
        None => probe.body.is_some(),
    };
    let safe = method == Method::GET || method == Method::HEAD;
    if redirect && wanted && safe {
        reply.location.as_deref()
    } else {
        None
    }
}

fn redirected(from: &Target, location: &str) -> Result<Target, Miss> {
    let host = || {
        from.uri
            .authority()
            .map_or("", Authority::as_str)
            .rsplit('@')
            .next()
            .unwrap_or("")
    };
    let scheme = if from.secure { "https" } else { "http" };
    let url = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{}{location}", host())
    } else {
        let path = from.uri.path();
        let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
        format!("{scheme}://{}{folder}{location}", host())
    };
    let to = target(&url).map_err(|error| {
        Miss::Failed(format!("redirected to an address that is refused: {error}"))
    })?;
    if from.secure && !to.secure {
        return Err(Miss::Failed(
            "redirected from https to http: not followed".into(),
        ));
    }
    Ok(to)
}

fn target(url: &str) -> Result<Target, Miss> {
    let refuse = |why: &str| {
        Err(Miss::Unknown(format!(
            "the URL {why}: correct it in the fleet's files"
        )))
    };
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("contains white space or a control character");
    }
    let bare = url.split('#').next().unwrap_or(url);
    let Ok(uri) = bare.parse::<Uri>() else {
        return refuse("is unreadable");
    };
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return refuse("must begin with http:// or https://"),
    };
    let Some(host) = uri.host() else {
        return refuse("names no host");
    };
    let host = address::host(host)?.to_owned();
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    Ok(Target {
        uri,
        host,
        port,
        secure,
    })
}

/// `%40` → `@`, for the user part of a URL.
fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_with_a_host_are_asked() {
        for bad in [
            "file:///etc/passwd",
            "ftp://h/",
            "gopher://h",
            "http://",
            "h",
            "/x",
            "http://-h/",
            "http://a b/",
            "http://h/\n",
        ] {
            assert!(matches!(target(bad), Err(Miss::Unknown(_))), "{bad:?}");
        }
        let t = target("https://u:p@[::1]:8443/a?b#c").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((t.host.as_str(), t.port, t.secure), ("::1", 8443, true));
    }

    #[test]
    fn redirects_resolve_and_never_leave_https_or_http() {
        let from = target("https://u:p@h:1/a/b").unwrap_or_else(|e| panic!("{e}"));
        let to = |location| redirected(&from, location).map(|t| t.uri.to_string());
        assert_eq!(to("/x"), Ok("https://h:1/x".into()));
        assert_eq!(to("x"), Ok("https://h:1/a/x".into()));
        assert_eq!(to("//o/x"), Ok("https://o/x".into()));
        for bad in ["http://h:1/", "file:///etc/passwd", "javascript://x"] {
            assert!(matches!(to(bad), Err(Miss::Failed(_))), "{bad}");
        }
    }

    #[test]
    fn user_parts_are_unescaped() {
        assert_eq!(unescape("a%40b:%zz%"), b"a@b:%zz%");
    }
}
