//! Each client with each server, and a peer that reads late.

use std::{io::Read, thread, time::Duration};

use websocket_proto::{OwnedMessage, time::Patience};

use crate::{
    certificates::Authority,
    ends::{ENDS, Server, send},
    peer::{Client, REQUEST},
};

/// The lengths at which the header of a frame, or a record of TLS, begins to be another.
const LENGTHS: [usize; 9] = [0, 1, 125, 126, 16_384, 16_385, 65_535, 65_536, 1 << 20];

/// More than the buffers of a socket have space for.
fn messages() -> Vec<OwnedMessage> {
    let binary = LENGTHS.map(|len| (0..len).map(|index| (index % 251) as u8).collect::<Vec<u8>>().into());
    let text = LENGTHS.map(|len| OwnedMessage::from("é!".repeat(len / 3)));
    [binary, text].concat().into_iter().cycle().take(6 * LENGTHS.len()).collect()
}

/// The client on tokio sends all of them without waiting for an answer.
#[test]
fn each_client_talks_to_each_server_and_both_say_how_it_ended() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    for (a, b) in ENDS.iter().flat_map(|a| ENDS.map(|b| (*a, b))) {
        let server = Server::start(a, server_config.clone(), Patience::new());
        let (outcome, echoes) =
            send(b, server.address, "localhost", client_config.clone(), Patience::new(), messages());
        assert_eq!(outcome.unwrap().to_string(), "closed by us: 1000 (normal closure)", "{b:?} client, {a:?} server");
        assert!(echoes == messages(), "{b:?} client, {a:?} server: {} echoes", echoes.len());
        let outcome = server.ended().unwrap();
        assert_eq!(outcome.to_string(), "closed by the peer: 1000 (normal closure)", "{b:?} client, {a:?} server");
    }
}

/// What the socket does not take stays in TLS. The server flushes it, whatever else happens meanwhile.
#[test]
fn a_peer_that_reads_late_gets_everything() {
    // A write that takes longer is cut short, and continued.
    let patience = Patience::new().silence(Some(Duration::from_millis(100)));
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    thread::scope(|scope| {
        // From messages that fit into the buffers to those that do not: with some, only their end is in TLS.
        for (end, len) in ENDS.iter().flat_map(|end| (126..60_000_u16).step_by(2003).map(|len| (*end, len))) {
            let (server_config, client_config) = (server_config.clone(), client_config.clone());
            scope.spawn(move || {
                let server = Server::start_with_small_buffers(end, server_config, patience);
                let mut peer = Client::connect_with_small_buffers(server.address, client_config);
                peer.open();
                let [high, low] = len.to_be_bytes();
                let payload = vec![7; len.into()];
                peer.write(&[&[0x82, 0xfe, high, low, 0, 0, 0, 0], &payload[..]].concat());
                thread::sleep(Duration::from_millis(50));
                peer.write(b"\x8a\x80\0\0\0\0");
                thread::sleep(Duration::from_millis(250));
                let mut frame = [0; 2];
                peer.stream.read_exact(&mut frame).unwrap();
                if frame[0] == 0x89 {
                    // This machine is slow, and the server has sent a Ping before.
                    peer.expect(&[0, 0, 0, 1]);
                    peer.stream.read_exact(&mut frame).unwrap();
                }
                let mut echo = vec![0; payload.len() + 2];
                peer.stream.read_exact(&mut echo).unwrap_or_else(|error| panic!("{end:?}, {len} bytes: {error}"));
                assert!(frame == [0x82, 0x7e] && echo[..2] == [high, low] && echo[2..] == payload, "{end:?}, {len}");
            });
        }
    });
}

/// TLS has all of it after one read of the socket, and the socket is not readable any more.
#[test]
fn messages_behind_the_request_in_one_record_are_answered() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    for end in ENDS {
        let server = Server::start(end, server_config.clone(), Patience::new());
        let mut peer = Client::connect(server.address, client_config.clone());
        peer.write(&[REQUEST, &b"\x81\x81\0\0\0\0x".repeat(1000), b"\x88\x82\0\0\0\0\x03\xe8"].concat());
        let mut answers = Vec::new();
        peer.stream.read_to_end(&mut answers).unwrap_or_else(|error| panic!("{end:?}: {error}"));
        let wanted = [&b"\x81\x01x".repeat(1000)[..], b"\x88\x02\x03\xe8"].concat();
        assert!(answers.ends_with(&wanted), "{end:?}: {} bytes", answers.len());
        peer.end(true);
        assert_eq!(server.ended().unwrap().to_string(), "closed by the peer: 1000 (normal closure)", "{end:?}");
    }
}
