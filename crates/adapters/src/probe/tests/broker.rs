//! MQTT, against Mosquitto.

use std::net::TcpStream;

use super::*;

/// A broker; with `password` only for user `bob`.
fn broker(password: Option<&str>) -> Option<(Server, u16, tempfile::TempDir)> {
    let program = lab_program("mosquitto")?;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut config = format!(
        "listener {port} 127.0.0.1\nuser root\nallow_anonymous {}\n",
        password.is_none()
    );
    if let Some(password) = password {
        let file = folder.path().join("passwords");
        let made = Command::new(lab_program("mosquitto_passwd")?)
            .args(["-b", "-c"])
            .arg(&file)
            .args(["bob", password])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        config += &format!("password_file {}\n", file.display());
    }
    let path = folder.path().join("mosquitto.conf");
    std::fs::write(&path, config).unwrap();
    let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    Some((
        Server::start(Command::new(program).arg("-c").arg(path), ready),
        port,
        folder,
    ))
}

fn mqtt(port: u16, topic: Option<&str>, login: Option<(&str, &str)>) -> Probe {
    Probe::Mqtt {
        host: "127.0.0.1".into(),
        port,
        topic: topic.map(str::to_owned),
        username: login.map(|(user, _)| user.to_owned()),
        password: login.map(|(_, password)| password.to_owned()),
    }
}

#[tokio::test]
async fn a_broker_accepts_and_hands_over_a_retained_message() {
    let Some((_server, port, _folder)) = broker(None) else {
        return;
    };
    assert_eq!(ok(ask(mqtt(port, None, None)).await), "connection accepted");
    let text = failed(prober().ask(&mqtt(port, Some("home/+"), None), SHORT).await);
    assert_eq!(
        text,
        "no answer within 400ms, while waiting for a message on home/+"
    );

    let (client, mut events) =
        rumqttc::AsyncClient::new(rumqttc::MqttOptions::new("teller", "127.0.0.1", port), 4);
    client
        .publish("home/x", rumqttc::QoS::AtLeastOnce, true, "on")
        .await
        .unwrap();
    while !matches!(
        events.poll().await.unwrap(),
        rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))
    ) {}
    assert_eq!(
        ok(ask(mqtt(port, Some("home/+"), None)).await),
        "2 bytes on home/x"
    );
    unknown(ask(mqtt(port, Some("home/#/x"), None)).await);
}

#[tokio::test]
async fn a_broker_refuses_who_it_does_not_know() {
    let Some((_server, port, _folder)) = broker(Some("hunter2")) else {
        return;
    };
    ok(ask(mqtt(port, None, Some(("bob", "hunter2")))).await);
    ok(ask(mqtt(port, None, Some(("bob", "secret:known")))).await);
    for probe in [
        mqtt(port, None, None),
        mqtt(port, None, Some(("bob", "wrong"))),
    ] {
        let text = failed(ask(probe).await);
        assert!(
            text.contains("not authorised") && !text.contains("wrong\""),
            "{text}"
        );
    }
}

#[tokio::test]
async fn no_broker_and_one_that_never_answers_fail() {
    let (_listener, port) = silent();
    let text = failed(prober().ask(&mqtt(port, None, None), SHORT).await);
    assert!(
        text.contains("no answer within 400ms, while connecting"),
        "{text}"
    );
    assert!(failed(ask(mqtt(free_port(), None, None)).await).contains("connection refused"));
}
