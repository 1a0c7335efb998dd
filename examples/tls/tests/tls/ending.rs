//! A `close_notify` says that a stream of TLS has ended, not that the WebSocket has. A Close says that.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    thread,
};

use websocket_proto::{Outcome, time::Patience};

use crate::{
    certificates::Authority,
    ends::{ENDS, End, Server, send},
    peer,
};

/// Where a peer ends its half of the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    InTlsHandshake,
    BeforeTheHead,
    InTheHead,
    InMessage,
    AfterOurClose,
    AfterItsClose,
}

const PLACES: [Place; 6] = [
    Place::InTlsHandshake,
    Place::BeforeTheHead,
    Place::InTheHead,
    Place::InMessage,
    Place::AfterOurClose,
    Place::AfterItsClose,
];

/// Each place, with and without a `close_notify`.
fn each(test: impl Fn(End, Place, bool)) {
    for (end, place) in ENDS.iter().flat_map(|end| PLACES.map(|place| (*end, place))) {
        for close_notify in [true, false] {
            eprintln!("{end:?}, {place:?}, close_notify: {close_notify}");
            test(end, place, close_notify);
        }
    }
}

const NO_REQUEST: &str = "not opened: the stream ended inside the HTTP head, after 0 bytes";
const HALF_REQUEST: &str = "not opened: the stream ended inside the HTTP head, after 40 bytes";
const LOST: &str = "connection lost: the peer left without a closing handshake";
const IN_MESSAGE: &str = "connection lost in the middle of a message";

#[test]
fn a_client_leaves_a_server() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    each(|end, place, close_notify| {
        let server = Server::start(end, server_config.clone(), Patience::new());
        let mut client = peer::Client::connect(server.address, client_config.clone());
        match place {
            Place::InTlsHandshake => {
                client.stream.conn.write_tls(&mut client.stream.sock).unwrap();
                client.end(false);
                assert_eq!(server.ended().unwrap_err().kind(), ErrorKind::UnexpectedEof);
                return;
            }
            Place::BeforeTheHead => _ = client.stream.conn.complete_io(&mut client.stream.sock).unwrap(),
            Place::InTheHead => client.write(&peer::REQUEST[..40]),
            Place::InMessage => {
                client.open();
                client.write(b"\x81\x85\0\0\0\0he");
            }
            Place::AfterOurClose => {
                client.open();
                // The blocking server only closes first when the client is wrong.
                if end == End::Tokio {
                    server.stop.send(()).unwrap();
                    client.expect(b"\x88\x02\x03\xe9");
                } else {
                    client.write(b"\x83");
                    client.expect(b"\x88");
                }
            }
            Place::AfterItsClose => {
                client.open();
                client.write(b"\x88\x82\0\0\0\0\x03\xe9");
            }
        }
        client.end(close_notify);
        let outcome = server.ended().unwrap_or_else(Outcome::from);
        assert_eq!(outcome.is_clean(), place == Place::AfterItsClose, "{outcome}");
        let said = match (place, end) {
            (Place::BeforeTheHead, _) => NO_REQUEST,
            (Place::InTheHead, _) => HALF_REQUEST,
            (Place::InMessage, _) => IN_MESSAGE,
            (Place::AfterOurClose, End::Tokio) => {
                "connection lost: the peer left without a closing handshake (after our Close: 1001 (going away))"
            }
            (Place::AfterOurClose, End::Blocking) => "failed: ",
            _ => "closed by the peer: 1001 (going away)",
        };
        assert!(outcome.to_string().starts_with(said), "{outcome}");
        // The server has answered, and has ended its half with a `close_notify`.
        let rest = client.rest();
        assert_eq!(rest.ends_with(b"\x88\x02\x03\xe9"), place == Place::AfterItsClose, "{rest:?}");
    });
}

#[test]
fn a_server_leaves_a_client() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    each(|end, place, close_notify| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client_config = client_config.clone();
        let client = thread::spawn(move || {
            send(end, address, "localhost", client_config, Patience::new(), vec![String::from("hello").into()]).0
        });
        let mut server = peer::Server::accept(&listener, server_config.clone());
        match place {
            Place::InTlsHandshake => {
                server.end(false);
                assert_eq!(client.join().unwrap().unwrap_err().kind(), ErrorKind::UnexpectedEof);
                return;
            }
            Place::BeforeTheHead => _ = server.stream.conn.complete_io(&mut server.stream.sock).unwrap(),
            Place::InTheHead => server.write(&b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"[..40]),
            Place::InMessage => {
                server.open();
                server.write(b"\x81\x05he");
            }
            Place::AfterOurClose => {
                server.open();
                assert_eq!(server.frame(), (0x81, b"hello".to_vec()));
                server.write(b"\x81\x05hello");
                assert_eq!(server.frame(), (0x88, b"\x03\xe8".to_vec()));
            }
            Place::AfterItsClose => {
                server.open();
                assert_eq!(server.frame(), (0x81, b"hello".to_vec()));
                server.write(b"\x88\x02\x03\xe9");
            }
        }
        server.end(close_notify);
        let outcome = client.join().unwrap().unwrap_or_else(Outcome::from);
        assert_eq!(outcome.is_clean(), place == Place::AfterItsClose, "{outcome}");
        let said = match place {
            Place::BeforeTheHead => NO_REQUEST,
            Place::InTheHead => HALF_REQUEST,
            Place::InMessage => IN_MESSAGE,
            Place::AfterOurClose => {
                "connection lost: the peer left without a closing handshake (after our Close: 1000 (normal closure))"
            }
            _ => "closed by the peer: 1001 (going away)",
        };
        assert!(outcome.to_string().starts_with(said), "{outcome}");
        if place == Place::AfterItsClose {
            assert_eq!(server.frame(), (0x88, b"\x03\xe9".to_vec()));
        }
        // With a `close_notify`.
        server.rest();
    });
}

/// The peer is told so by an alert.
#[test]
fn a_record_that_was_changed_on_its_way_is_a_lost_connection() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    for end in ENDS {
        let server = Server::start(end, server_config.clone(), Patience::new());
        let mut client = peer::Client::connect(server.address, client_config.clone());
        client.open();
        let mut record = client.part_of_record(b"\x88\x82\0\0\0\0\x03\xe8", 0);
        *record.last_mut().unwrap() ^= 1;
        client.stream.sock.write_all(&record).unwrap();
        let error = client.stream.read(&mut [0]).unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{end:?}: {error}");
        drop(client);
        let outcome = server.ended().unwrap();
        assert_eq!(outcome.to_string(), LOST, "{end:?}");
    }
}

#[cfg(target_os = "linux")]
const BY_THE_PEER: &str = "closed by the peer: 1001 (going away)";

/// The socket of the peer is reset, and ours takes nothing any more. But the Close has arrived. Some systems drop it in
/// that case; Linux does not.
#[test]
#[cfg(target_os = "linux")]
fn a_close_counts_though_the_peer_is_gone() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    // Which of both is seen first is a matter of luck.
    for end in [ENDS; 5].concat() {
        let server = Server::start_with_small_buffers(end, server_config.clone(), Patience::new());
        let mut client = peer::Client::connect_with_small_buffers(server.address, client_config.clone());
        client.open();
        client.write(&[&b"\x82\xfe\xff\xff\0\0\0\0"[..], &[7; 0xffff]].concat());
        // The server has begun its echo.
        client.expect(b"\x82\x7e");
        client.write(b"\x88\x82\0\0\0\0\x03\xe9");
        drop(client);
        assert_eq!(server.ended().unwrap().to_string(), BY_THE_PEER, "{end:?} server");

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, client_config) = (listener.local_addr().unwrap(), client_config.clone());
        // More than all buffers have space for.
        let messages = vec![vec![7; 16 << 20].into()];
        let client = thread::spawn(move || send(end, address, "localhost", client_config, Patience::new(), messages).0);
        let mut server = peer::Server::accept(&listener, server_config.clone());
        server.open();
        server.stream.read_exact(&mut [0; 2]).unwrap();
        server.write(b"\x88\x02\x03\xe9");
        drop(server);
        assert_eq!(client.join().unwrap().unwrap().to_string(), BY_THE_PEER, "{end:?} client");
    }
}
