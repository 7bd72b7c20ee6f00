//! HTTP, HTTPS, certificates and plain connections, against a server made here.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use stead_core::desired::HttpProbe;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Answers by path.
async fn site(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = |status: u16, body: &str| {
        Response::builder()
            .status(status)
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap()
    };
    let to = |location: &str| {
        Response::builder()
            .status(302)
            .header("location", location)
            .body(Full::default())
            .unwrap()
    };
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_owned()
    };
    Ok(match request.uri().path() {
        "/" => answer(200, "all is well here"),
        "/broken" => answer(500, "secret stack trace"),
        "/moved" => to("/"),
        "/round" => to("/round"),
        "/away" => to(&format!("http://{}/", header("host"))),
        "/escape" => to("file:///etc/passwd"),
        // To the same server by another name, where the owner's headers must not follow.
        "/elsewhere" => to(&format!(
            "http://127.0.0.2:{}/login",
            header("host").rsplit(':').next().unwrap()
        )),
        "/login" if header("authorization") == "Basic Ym9iOmh1bnRlcjI=" => answer(200, "hello bob"),
        "/login" if header("x-key") == "hunter2" => answer(200, "hello key"),
        "/login" => answer(401, "who are you"),
        "/agent" => answer(200, &header("user-agent")),
        "/long" => answer(
            200,
            &(".".repeat(60_000) + "needle" + &".".repeat(100_000) + "thread"),
        ),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer(200, "at last")
        }
        "/late" => std::future::pending().await,
        _ => answer(404, "none"),
    })
}

/// Serves the site, with TLS where there is a certificate; returns the port.
fn serve(tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let server = hyper::server::conn::http1::Builder::new();
                let service = service_fn(site);
                match tls {
                    None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else {
                            return;
                        };
                        drop(server.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            });
        }
    });
    port
}

/// A certificate for `localhost` from `from` days to `to` days from now.
fn certificate(from: i64, to: i64) -> (TlsAcceptor, RootCertStore) {
    let now = i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap();
    // An hour more, so that whole days are whole when they are counted.
    let at = |days: i64| {
        let seconds = u64::try_from(now + days * 86_400 + 3600).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(from), at(to));
    let key = KeyPair::generate().unwrap();
    let certificate: CertificateDer<'static> = params.self_signed(&key).unwrap().der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), roots)
}

fn trusting(roots: RootCertStore) -> Prober {
    Prober {
        tls: tls::Tls::trusting(roots),
        ..prober()
    }
}

fn get(url: String) -> HttpProbe {
    HttpProbe {
        url,
        method: "GET".into(),
        headers: Default::default(),
        status: None,
        body: None,
        latency: None,
        insecure: false,
    }
}

#[tokio::test]
async fn status_body_and_latency_decide() {
    let base = format!("http://127.0.0.1:{}", serve(None));
    let at = |path: &str| get(format!("{base}{path}"));
    let text = ok(ask(Probe::Http(HttpProbe {
        body: Some("well".into()),
        ..at("/")
    }))
    .await);
    assert!(text.starts_with("status 200 in "), "{text}");
    let text = failed(ask(Probe::Http(at("/broken"))).await);
    assert!(
        text.contains("status 500") && text.contains("below 400") && !text.contains("stack"),
        "{text}"
    );
    ok(ask(Probe::Http(HttpProbe {
        status: Some(404),
        ..at("/nothing")
    }))
    .await);
    failed(
        ask(Probe::Http(HttpProbe {
            status: Some(204),
            ..at("/")
        }))
        .await,
    );
    let text = failed(
        ask(Probe::Http(HttpProbe {
            body: Some("ill".into()),
            ..at("/agent")
        }))
        .await,
    );
    assert!(text.contains("not in the body"), "{text}");
    let slow = HttpProbe {
        latency: Some(Span::millis(20)),
        ..at("/slow")
    };
    assert!(failed(ask(Probe::Http(slow)).await).contains("slower than 20ms"));
    ok(ask(Probe::Http(HttpProbe {
        latency: Some(PATIENT),
        method: "HEAD".into(),
        ..at("/")
    }))
    .await);
    ok(ask(Probe::Http(HttpProbe {
        body: Some("stead/".into()),
        ..at("/agent")
    }))
    .await);
}

#[tokio::test]
async fn the_body_is_looked_into_for_64_kib() {
    let base = format!("http://127.0.0.1:{}/long", serve(None));
    ok(ask(Probe::Http(HttpProbe {
        body: Some("needle".into()),
        ..get(base.clone())
    }))
    .await);
    let text = failed(
        ask(Probe::Http(HttpProbe {
            body: Some("thread".into()),
            ..get(base)
        }))
        .await,
    );
    assert!(text.contains("65536 bytes"), "{text}");
}

#[tokio::test]
async fn redirects_are_followed_only_where_they_are_no_answer_themselves() {
    let base = format!("http://127.0.0.1:{}", serve(None));
    let at = |path: &str| get(format!("{base}{path}"));
    assert!(
        ok(ask(Probe::Http(at("/moved"))).await).contains("302"),
        "a status below 400 is an answer"
    );
    assert!(
        ok(ask(Probe::Http(HttpProbe {
            status: Some(200),
            ..at("/moved")
        }))
        .await)
        .contains("200")
    );
    ok(ask(Probe::Http(HttpProbe {
        body: Some("well".into()),
        ..at("/moved")
    }))
    .await);
    ok(ask(Probe::Http(HttpProbe {
        status: Some(302),
        ..at("/moved")
    }))
    .await);
    assert!(
        failed(
            ask(Probe::Http(HttpProbe {
                status: Some(200),
                ..at("/round")
            }))
            .await
        )
        .contains("redirects")
    );
    let text = failed(
        ask(Probe::Http(HttpProbe {
            status: Some(200),
            ..at("/escape")
        }))
        .await,
    );
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn credentials_go_to_the_named_host_only() {
    let port = serve(None);
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    ok(ask(Probe::Http(get(format!(
        "http://bob:hunter2@127.0.0.1:{port}/login"
    ))))
    .await);
    let key = |path: &str, value: &str| {
        let headers = [("x-key".to_owned(), value.to_owned())].into();
        Probe::Http(HttpProbe {
            headers,
            status: Some(200),
            ..get(url(path))
        })
    };
    ok(ask(key("/login", "secret:known")).await);
    let text = unknown(ask(key("/login", "secret:lost")).await);
    assert!(text.contains("no secret \"lost\""), "{text}");
    assert!(
        failed(ask(key("/elsewhere", "secret:known")).await).contains("401"),
        "the header went along"
    );
}

#[tokio::test]
async fn http_that_never_answers_or_is_not_there_fails() {
    let port = serve(None);
    let late = Probe::Http(get(format!("http://127.0.0.1:{port}/late")));
    let text = failed(prober().ask(&late, SHORT).await);
    assert_eq!(text, "no answer within 400ms, while waiting for the answer");
    let text = failed(
        ask(Probe::Http(get(format!(
            "http://127.0.0.1:{}/",
            free_port()
        ))))
        .await,
    );
    assert!(text.contains("connection refused"), "{text}");
    assert!(
        failed(ask(Probe::Http(get("http://no-such-host.invalid/".into()))).await)
            .contains("no-such-host")
    );
    for url in [
        "file:///etc/passwd",
        "http://-oProxyCommand=x/",
        "http://a b/",
        "ldap://127.0.0.1/",
    ] {
        unknown(ask(Probe::Http(get(url.into()))).await);
    }
}

#[tokio::test]
async fn https_needs_a_certificate_this_node_trusts_unless_told_otherwise() {
    let (tls, roots) = certificate(-1, 30);
    let port = serve(Some(tls));
    let at = |host: &str, path: &str| get(format!("https://{host}:{port}{path}"));
    let trusting = trusting(roots);
    ok(trusting
        .ask(&Probe::Http(at("localhost", "/")), PATIENT)
        .await);
    let text = failed(
        trusting
            .ask(&Probe::Http(at("127.0.0.1", "/")), PATIENT)
            .await,
    );
    assert!(
        text.contains("certificate"),
        "the name must be in it: {text}"
    );
    failed(ask(Probe::Http(at("localhost", "/"))).await);
    ok(ask(Probe::Http(HttpProbe {
        insecure: true,
        ..at("127.0.0.1", "/")
    }))
    .await);
    let down = Probe::Http(HttpProbe {
        status: Some(200),
        ..at("localhost", "/away")
    });
    assert!(failed(trusting.ask(&down, PATIENT).await).contains("https to http"));
}

#[tokio::test]
async fn a_certificate_is_judged_by_its_days_and_if_asked_by_its_chain() {
    let probe = |port, days, verify| Probe::Tls {
        host: "localhost".into(),
        port,
        days,
        verify,
    };
    let (tls, roots) = certificate(-1, 20);
    let port = serve(Some(tls));
    assert!(ok(ask(probe(port, 20, false)).await).contains("20 days left"));
    assert!(failed(ask(probe(port, 21, false)).await).contains("renew"));
    ok(trusting(roots).ask(&probe(port, 14, true), PATIENT).await);
    failed(ask(probe(port, 14, true)).await);
    let (tls, roots) = certificate(-20, -3);
    let port = serve(Some(tls));
    assert!(failed(ask(probe(port, 0, false)).await).contains("expired"));
    assert!(
        failed(trusting(roots).ask(&probe(port, 0, true), PATIENT).await)
            .to_lowercase()
            .contains("expired")
    );
    let (tls, _) = certificate(3, 20);
    assert!(failed(ask(probe(serve(Some(tls)), 0, false)).await).contains("not valid before"));
}

#[tokio::test]
async fn tls_with_something_that_speaks_none_fails() {
    let (_listener, port) = silent();
    let probe = |port| Probe::Tls {
        host: "localhost".into(),
        port,
        days: 1,
        verify: false,
    };
    assert!(failed(prober().ask(&probe(port), SHORT).await).contains("agreeing on TLS"));
    failed(ask(probe(serve(None))).await);
    failed(ask(probe(free_port())).await);
}

#[tokio::test]
async fn a_connection_opens_is_refused_or_gets_no_answer() {
    let (_listener, port) = silent();
    let tcp = |host: &str, port| Probe::Tcp {
        host: host.into(),
        port,
    };
    assert_eq!(
        ok(ask(tcp("127.0.0.1", port)).await),
        format!("connected to 127.0.0.1:{port}")
    );
    ok(ask(tcp("localhost", port)).await);
    assert!(failed(ask(tcp("127.0.0.1", free_port())).await).contains("refused"));
    assert!(unknown(ask(tcp("-x", 1)).await).contains("starts with '-'"));
    assert!(unknown(ask(tcp("a\nb", 1)).await).contains("control character"));
    // Full: the kernel drops what asks for more.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(
        &"127.0.0.1:0"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into(),
    )
    .unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let waiting: Vec<_> = (0..4)
        .map(|_| tokio::spawn(tokio::net::TcpStream::connect(address)))
        .collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    let text = loop {
        // The queue fills at once, but not before those tasks ran.
        let result = prober().ask(&tcp("127.0.0.1", address.port()), SHORT).await;
        if result.outcome == Answer::Failed {
            break result.answer;
        }
        assert!(Instant::now() < deadline, "it always connected");
    };
    assert!(text.contains("no answer within"), "{text}");
    waiting.into_iter().for_each(|task| task.abort());
}
