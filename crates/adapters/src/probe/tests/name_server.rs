//! DNS, against dnsmasq.

use std::net::UdpSocket;

use super::*;

fn server() -> Option<(Server, String)> {
    let program = lab_program("dnsmasq")?;
    let port = free_port();
    let mut command = Command::new(program);
    command.args([
        "--no-daemon",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
    ]);
    command.args([
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--local=/lab.test/",
    ]);
    command.args([
        "--host-record=web.lab.test,10.1.2.3,2001:db8::5",
        "--cname=www.lab.test,web.lab.test",
    ]);
    command.args([
        "--txt-record=lab.test,v=spf1 -all",
        "--mx-host=lab.test,mail.lab.test,10",
    ]);
    command.args(["--srv-host=_mqtt._tcp.lab.test,web.lab.test,1883,5,7"]);
    // An NS record in wire form: 3 "ns1" 3 "lab" 4 "test" 0.
    command.args([
        "--dns-rr=lab.test,2,036e7331036c6162047465737400",
        &format!("--port={port}"),
    ]);
    let ready = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    Some((
        Server::start(&mut command, ready),
        format!("127.0.0.1:{port}"),
    ))
}

fn dns(name: &str, record: &str, expect: Option<&str>, server: &str) -> Probe {
    Probe::Dns {
        name: name.into(),
        record: record.into(),
        expect: expect.map(str::to_owned),
        server: Some(server.into()),
    }
}

#[tokio::test]
async fn records_of_each_kind_are_found_and_compared() {
    let Some((_server, at)) = server() else {
        return;
    };
    for (name, record, expect) in [
        ("web.lab.test", "A", "10.1.2.3"),
        ("web.lab.test", "AAAA", "2001:db8:0::5"),
        ("www.lab.test", "CNAME", "web.lab.test"),
        ("lab.test", "TXT", "v=spf1 -all"),
        ("lab.test", "MX", "10 mail.lab.test"),
        ("_mqtt._tcp.lab.test", "SRV", "5 7 1883 web.lab.test"),
        ("lab.test", "NS", "ns1.lab.test."),
        ("www.lab.test", "a", "10.1.2.3"),
    ] {
        let result = ask(dns(name, record, Some(expect), &at)).await;
        assert_eq!(
            result.outcome,
            Answer::Ok,
            "{record} {name}: {}",
            result.answer
        );
    }
    assert_eq!(
        ok(ask(dns("web.lab.test", "A", None, &at)).await),
        "10.1.2.3"
    );
    let text = failed(ask(dns("web.lab.test", "A", Some("10.9.9.9"), &at)).await);
    assert_eq!(text, "10.1.2.3; expected 10.9.9.9");
    assert_eq!(
        failed(ask(dns("none.lab.test", "A", None, &at)).await),
        "no such name"
    );
    assert_eq!(
        failed(ask(dns("web.lab.test", "TXT", None, &at)).await),
        "no such record"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_fails_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let result = prober()
        .ask(&dns("web.lab.test", "A", None, &at), SHORT)
        .await;
    assert!(result.took < Span::secs(5), "{:?}", result.took);
    failed(result);
}

#[tokio::test]
async fn questions_that_cannot_be_asked_are_unknown() {
    unknown(ask(dns("-x.test", "A", None, "127.0.0.1")).await);
    unknown(ask(dns("x.test", "ANY", None, "127.0.0.1")).await);
    unknown(ask(dns("x.test", "A", None, "-p 53")).await);
}

#[tokio::test]
async fn the_nodes_own_view_knows_its_hosts_file() {
    let probe = Probe::Dns {
        name: "localhost".into(),
        record: "A".into(),
        expect: Some("127.0.0.1".into()),
        server: None,
    };
    ok(ask(probe).await);
}
