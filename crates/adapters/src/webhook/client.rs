//! One POST: address, secrets, connection, status.

use std::net::{IpAddr, SocketAddr};

use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use stead_core::desired::Webhook;
use stead_ports::notify::{Error, Letter};
use stead_ports::secrets::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{ID_HEADER, Webhooks, address, body, signature};
use crate::probe::Stage;

/// Where a letter goes. Not shown as a whole: the address itself may let somebody in.
struct Target {
    path: String,
    authority: String,
    host: String,
    port: u16,
    secure: bool,
    /// How errors call it.
    name: String,
}

/// One attempt to post `letter`.
pub(super) async fn post(
    hooks: &Webhooks,
    webhook: &Webhook,
    letter: &Letter,
) -> Result<(), Error> {
    let target = target(hooks, webhook)?;
    let request = request(hooks, webhook, letter, &target)?;
    let stream = connect(hooks, webhook, &target).await?;
    // A small body that is written at once needs no waiting for more.
    let _ = stream.set_nodelay(true);
    let status = if target.secure {
        let opened = hooks
            .tls
            .open(stream, &target.host, true, &Stage::default())
            .await;
        let stream = opened
            .map_err(|miss| Error::Later(format!("{}: {}", target.name, why(&miss, &target))))?;
        converse(stream, request, &target).await?
    } else {
        converse(stream, request, &target).await?
    };
    judge(status, &target)
}

/// What a probe's module says, without the host where that is a secret.
fn why(miss: &crate::probe::Miss, target: &Target) -> String {
    if target.name == target.authority {
        miss.to_string()
    } else {
        "no TLS session".to_owned()
    }
}

fn judge(status: StatusCode, target: &Target) -> Result<(), Error> {
    let name = &target.name;
    let number = status.as_u16();
    match number {
        200..=299 => Ok(()),
        300..=399 => Err(Error::Never(format!(
            "{name} answered {number}: redirects are not followed, so give the address it leads to"
        ))),
        410 => Err(Error::Never(format!(
            "{name} answered 410: that address is gone"
        ))),
        _ => Err(Error::Later(format!("{name} answered {number}"))),
    }
}

fn secret(hooks: &Webhooks, text: &str) -> Result<Secret, Error> {
    hooks
        .secrets
        .resolve(text)
        .map_err(|no| Error::Later(no.to_string()))
}

fn target(hooks: &Webhooks, webhook: &Webhook) -> Result<Target, Error> {
    let url = secret(hooks, &webhook.url)?;
    let hidden = webhook.url.starts_with("secret:");
    let refuse = |why: &str| Error::Never(format!("the channel's url {why}: correct it"));
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if url.expose().contains(odd) {
        return Err(refuse("contains white space or a control character"));
    }
    let uri: Uri = url.expose().parse().map_err(|_| refuse("is unreadable"))?;
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(refuse("must begin with https:// or http://")),
    };
    let authority = uri.authority().ok_or_else(|| refuse("names no host"))?;
    if authority.as_str().contains('@') {
        return Err(refuse(
            "has a user in it, which is not sent; use `headers:` with a secret",
        ));
    }
    let host = crate::probe::address::host(authority.host())
        .map_err(|_| refuse("names no host that can be"))?;
    let authority = authority.as_str().to_owned();
    Ok(Target {
        path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        host: host.to_owned(),
        port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
        secure,
        name: if hidden {
            webhook.url.clone()
        } else {
            authority.clone()
        },
        authority,
    })
}

/// Connects to an address of the host that may be connected to, and to no other.
async fn connect(hooks: &Webhooks, webhook: &Webhook, target: &Target) -> Result<TcpStream, Error> {
    let name = &target.name;
    let allow = address::networks(&webhook.allow).map_err(|bad| {
        Error::Never(format!(
            "`allow` has {bad:?}, which is no network: write it like 192.168.0.0/16"
        ))
    })?;
    let found: Vec<IpAddr> = match target.host.parse() {
        Ok(address) => vec![address],
        Err(_) => hooks
            .lookup
            .lookup(&target.host)
            .await
            .map_err(|_| Error::Later(format!("{name} does not resolve to an address")))?,
    };
    let may: Vec<IpAddr> = found
        .into_iter()
        .filter(|address| address::may_go(*address, &allow))
        .collect();
    if may.is_empty() {
        return Err(Error::Never(format!(
            "{name} is a private address: name its network under the channel's `allow:` if it is yours"
        )));
    }
    let mut last = String::new();
    for address in may {
        match TcpStream::connect(SocketAddr::new(address, target.port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{name} cannot be reached ({})", error.kind()),
        }
    }
    Err(Error::Later(last))
}

fn request(
    hooks: &Webhooks,
    webhook: &Webhook,
    letter: &Letter,
    target: &Target,
) -> Result<Request<Full<Bytes>>, Error> {
    let body = body::write(letter);
    let mut headers = own_headers(hooks, webhook)?;
    let value = |text: &str, what: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Error::Never(format!("{what} cannot be in a header")))
    };
    if let Some(key) = &webhook.secret {
        let key = secret(hooks, key)?;
        let at = hooks.clock.wall().0.div_euclid(1000);
        let signed = signature::sign(key.expose().as_bytes(), at, &body);
        headers.insert(signature::HEADER, value(&signed, "the signature")?);
    }
    headers.insert(HOST, value(&target.authority, "the host")?);
    headers.insert(ID_HEADER, value(&letter.id, "the message's ID")?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("stead/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.path.parse().map_err(|_| {
        Error::Never("the path of the channel's url is unreadable: correct it".to_owned())
    })?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The headers the channel adds. What Stead sets itself is set after, and wins.
fn own_headers(hooks: &Webhooks, webhook: &Webhook) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, text) in &webhook.headers {
        let no = || {
            Error::Never(format!(
                "the channel's header {name:?} cannot be one: correct it"
            ))
        };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no())?;
        if [
            http::header::CONTENT_LENGTH,
            http::header::TRANSFER_ENCODING,
        ]
        .contains(&key)
        {
            return Err(no());
        }
        let mut value = HeaderValue::from_str(secret(hooks, text)?.expose()).map_err(|_| no())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// Sends the request; of the answer only its status is read.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Full<Bytes>>,
    target: &Target,
) -> Result<StatusCode, Error> {
    // The library's own words may repeat what the receiver sent.
    let broken =
        |_: hyper::Error| Error::Later(format!("{} broke off before it answered", target.name));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(response.status())
    };
    let driver = async {
        let _ = connection.await;
        std::future::pending::<Result<StatusCode, Error>>().await
    };
    tokio::select! {
        biased;
        status = talk => status,
        never = driver => never,
    }
}
