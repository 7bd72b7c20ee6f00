//! The host answers an echo request.
//!
//! An unprivileged datagram socket where the kernel's `ping_group_range` allows it, else a raw one where the agent may.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use stead_core::time::Span;
use tokio::net::UdpSocket;

use super::{Found, Miss, Prober, Stage, address, plain};

/// Echo requests sent, spread over the time there is: one lost packet is no failure.
const TRIES: u32 = 3;
/// Drawn for each question, so that only an answer to it counts.
const TOKEN: usize = 16;
const HEADER: usize = 8;

impl Prober {
    pub(super) async fn icmp(&self, host: &str, limit: Span, stage: &Stage) -> Found {
        let host = address::host(host)?;
        stage.enter(format!("looking up {host}"));
        let address = self.names.lookup(host).await?.into_iter().next();
        let address = address.ok_or_else(|| Miss::Failed(format!("{host}: no address")))?;
        stage.enter(format!("waiting for an echo from {address}"));
        let (socket, kind) = open(address)?;
        socket
            .connect(&SocketAddr::new(address, 0).into())
            .map_err(|e| Miss::Failed(plain(&e)))?;
        // To the runtime a socket is a socket: it only sends, receives and waits.
        let socket = UdpSocket::from_std(socket.into()).map_err(|e| Miss::Unknown(plain(&e)))?;
        let mut token = [0u8; TOKEN];
        let _ = getrandom::fill(&mut token);
        let pause = Duration::from_millis((limit.0 / u64::from(TRIES)).max(1));
        for sequence in 1..=TRIES as u16 {
            let sent = Instant::now();
            send(&socket, &request(address, sequence, &token)).await?;
            match tokio::time::timeout(pause, answered(&socket, address, kind, &token)).await {
                Ok(Ok(())) => {
                    let took = sent.elapsed().as_secs_f64() * 1000.0;
                    return Ok(format!("{address} answered in {took:.2} ms"));
                }
                Ok(Err(error)) => return Err(Miss::Failed(plain(&error))),
                Err(_) => {}
            }
        }
        Err(Miss::Failed(format!(
            "{address} did not answer {TRIES} echo requests within {limit}"
        )))
    }
}

/// What the socket hands over: with its IP header or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Datagram,
    Raw,
}

fn open(address: IpAddr) -> Result<(Socket, Kind), Miss> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let make = |kind: Type| {
        let socket = Socket::new(domain, kind, Some(protocol))?;
        socket.set_nonblocking(true).map(|()| socket)
    };
    if let Ok(socket) = make(Type::DGRAM) {
        return Ok((socket, Kind::Datagram));
    }
    make(Type::RAW).map(|socket| (socket, Kind::Raw)).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => Miss::Unknown(
            "this agent may not ping: give it CAP_NET_RAW, or put its group into the sysctl net.ipv4.ping_group_range"
                .into(),
        ),
        _ => Miss::Unknown(format!("no ICMP socket: {}", plain(&error))),
    })
}

async fn send(socket: &UdpSocket, packet: &[u8]) -> Result<(), Miss> {
    match socket.send(packet).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Miss::Failed(
            "a firewall on this node refuses the echo request".into(),
        )),
        Err(error) => Err(Miss::Failed(plain(&error))),
    }
}

async fn answered(
    socket: &UdpSocket,
    address: IpAddr,
    kind: Kind,
    token: &[u8],
) -> std::io::Result<()> {
    let mut buffer = [0u8; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // A raw socket sees the answers to everybody's questions.
        if is_answer(&buffer[..length], address, kind, token) {
            return Ok(());
        }
    }
}

fn request(address: IpAddr, sequence: u16, token: &[u8]) -> Vec<u8> {
    let mut packet = vec![0u8; HEADER];
    packet[0] = if address.is_ipv4() { 8 } else { 128 };
    // A datagram socket writes its own identifier here; on a raw one the token tells answers apart.
    packet[4..6].copy_from_slice(&token[..2]);
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(token);
    // The kernel sums ICMPv6 itself, over a header only it knows.
    if address.is_ipv4() {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

fn is_answer(packet: &[u8], address: IpAddr, kind: Kind, token: &[u8]) -> bool {
    let packet = match (kind, address) {
        (Kind::Raw, IpAddr::V4(_)) => {
            let header = packet
                .first()
                .map_or(0, |first| usize::from(first & 0x0f) * 4);
            packet.get(header..).unwrap_or(&[])
        }
        _ => packet,
    };
    let reply = if address.is_ipv4() { 0 } else { 129 };
    packet.first() == Some(&reply) && packet.get(HEADER..) == Some(token)
}

fn checksum(packet: &[u8]) -> u16 {
    let words = packet
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_over_a_request_is_nothing() {
        let v4 = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(checksum(&request(v4, 7, &[0xab; TOKEN])), 0);
    }

    #[test]
    fn only_the_reply_to_this_question_counts() {
        let v4 = IpAddr::from([127, 0, 0, 1]);
        let token = [7u8; TOKEN];
        let mut packet = request(v4, 1, &token);
        assert!(
            !is_answer(&packet, v4, Kind::Datagram, &token),
            "a request is no reply"
        );
        packet[0] = 0;
        assert!(is_answer(&packet, v4, Kind::Datagram, &token));
        assert!(!is_answer(&packet, v4, Kind::Datagram, &[8u8; TOKEN]));
        let mut raw = vec![0x45; 20];
        raw.extend_from_slice(&packet);
        assert!(is_answer(&raw, v4, Kind::Raw, &token));
        for length in 0..raw.len() {
            assert!(
                !is_answer(&raw[..length], v4, Kind::Raw, &token),
                "cut at {length}"
            );
        }
    }
}
