//! A broker accepts a connection and, where a topic is named, hands over a message.

use std::time::Duration;

use rumqttc::SubscribeReasonCode;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, MqttOptions, Outgoing, Packet, QoS,
};
use stead_core::time::Span;

use super::{Found, Miss, Prober, Stage, address};

/// Largest packet read; a retained picture is a message as well.
const PACKET: usize = 1024 * 1024;

/// Whom to ask for what.
#[derive(Clone, Copy)]
pub(super) struct Broker<'a> {
    pub host: &'a str,
    pub port: u16,
    pub topic: Option<&'a str>,
    pub username: Option<&'a str>,
    /// May name a secret.
    pub password: Option<&'a str>,
}

impl Prober {
    pub(super) async fn mqtt(&self, broker: &Broker<'_>, limit: Span, stage: &Stage) -> Found {
        let host = address::host(broker.host)?;
        stage.enter(format!("looking up {host}"));
        // One address: a broker that answers on some of its addresses only is not well.
        let address = self.names.lookup(host).await?.into_iter().next();
        let address = address.ok_or_else(|| Miss::Failed(format!("{host}: no address")))?;
        // The client writes a port behind it.
        let shown = if address.is_ipv6() {
            format!("[{address}]")
        } else {
            address.to_string()
        };
        let mut options = MqttOptions::new(client_id(), shown.as_str(), broker.port);
        options
            .set_clean_session(true)
            .set_keep_alive(Duration::from_secs(30))
            .set_max_packet_size(PACKET, 16 * 1024);
        if let Some(username) = broker.username {
            let password = self.secret(broker.password.unwrap_or(""))?;
            options.set_credentials(username, password);
        }
        let (client, mut events) = AsyncClient::new(options, 4);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_connection_timeout(limit.0.div_ceil(1000).max(1));
        events.set_network_options(network);

        stage.enter(format!("connecting to {shown}:{}", broker.port));
        loop {
            match events
                .poll()
                .await
                .map_err(|error| Miss::Failed(refusal(error)))?
            {
                Event::Incoming(Packet::ConnAck(_)) => match broker.topic {
                    None => return leave(&client, &mut events, "connection accepted".into()).await,
                    Some(topic) => {
                        stage.enter(format!("waiting for a message on {topic}"));
                        client
                            .subscribe(topic, QoS::AtMostOnce)
                            .await
                            .map_err(|_| {
                                Miss::Unknown(format!("{topic:?} is no topic filter: correct it"))
                            })?;
                    }
                },
                Event::Incoming(Packet::SubAck(ack))
                    if ack.return_codes.contains(&SubscribeReasonCode::Failure) =>
                {
                    return Err(Miss::Failed("the broker refuses the subscription".into()));
                }
                Event::Incoming(Packet::Publish(message)) => {
                    let text = format!("{} bytes on {}", message.payload.len(), message.topic);
                    return leave(&client, &mut events, text).await;
                }
                _ => {}
            }
        }
    }
}

/// Says goodbye, so that the broker does not log a broken connection every few seconds.
async fn leave(client: &AsyncClient, events: &mut rumqttc::EventLoop, found: String) -> Found {
    if client.try_disconnect().is_ok() {
        let gone = async {
            while let Ok(event) = events.poll().await {
                if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(200), gone).await;
    }
    Ok(found)
}

fn refusal(error: ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => {
            let why = match code {
                ConnectReturnCode::BadUserNamePassword => "wrong user name or password",
                ConnectReturnCode::NotAuthorized => "not authorised",
                ConnectReturnCode::ServiceUnavailable => "service unavailable",
                ConnectReturnCode::BadClientId => "client ID refused",
                ConnectReturnCode::RefusedProtocolVersion => "it does not speak MQTT 3.1.1",
                ConnectReturnCode::Success => "refused",
            };
            format!("the broker refuses: {why}")
        }
        ConnectionError::Io(error) => super::plain(&error),
        other => other.to_string(),
    }
}

/// Distinct each time: a broker throws out the elder of two clients with one name.
fn client_id() -> String {
    let mut bytes = [0u8; 6];
    // Without entropy the name is merely the same each time.
    let _ = getrandom::fill(&mut bytes);
    bytes
        .iter()
        .fold(String::from("stead-"), |id, byte| format!("{id}{byte:02x}"))
}
