//! Peers that stall, and peers that do not speak TLS.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ServerConfig};
use websocket_proto::{
    Config, Ended, Input, Outcome, SystemRandom, Uri, client,
    head::HeadError,
    server,
    time::{Patience, TimedOut},
};

use crate::{
    certificates::Authority,
    ends::{ENDS, End, LIMIT, Server, send},
    peer,
};

const SHORT: Duration = Duration::from_millis(500);

/// Longer than any of the deadlines here, and shorter than the defaults.
const SOON: Duration = Duration::from_secs(8);

#[derive(Clone, Copy, Debug)]
enum Stall {
    BeforeTls,
    InTls,
    /// Or the response.
    BeforeTheRequest,
    InTheRequest,
    /// A record of an open connection.
    InARecord,
}

impl Stall {
    fn patience(self) -> Patience {
        match self {
            Self::InARecord => impatient_when_open(),
            _ => Patience::new().opening(Some(SHORT)),
        }
    }

    /// The deadline that is missed.
    fn ended(self) -> Ended {
        Ended::TimedOut(if matches!(self, Self::InARecord) { TimedOut::Answer } else { TimedOut::Opening })
    }
}

fn impatient_when_open() -> Patience {
    Patience::new().silence(Some(SHORT / 2)).answer(Some(SHORT / 2))
}

/// Also a byte now and then does not help: a deadline is for the whole step.
#[test]
fn a_client_that_stalls_is_dropped_at_the_deadline() {
    let authority = Authority::new();
    let configs = authority.configs();
    let stalls = [Stall::BeforeTls, Stall::InTls, Stall::BeforeTheRequest, Stall::InTheRequest, Stall::InARecord];
    thread::scope(|scope| {
        for (end, stall) in ENDS.iter().flat_map(|end| stalls.map(|stall| (*end, stall))) {
            for drips in [false, true] {
                let configs = configs.clone();
                scope.spawn(move || client_stalls(end, stall, drips, configs));
            }
        }
    });
}

fn client_stalls(end: End, stall: Stall, drips: bool, (server, client): (Arc<ServerConfig>, Arc<ClientConfig>)) {
    let what = format!("{end:?} server, {stall:?}, drips: {drips}");
    let began = Instant::now();
    let server = Server::start(end, server, stall.patience());
    let mut client = peer::Client::connect(server.address, client);
    let rest = match stall {
        Stall::BeforeTls => client.hello(0),
        Stall::InTls => client.hello(100),
        Stall::BeforeTheRequest => {
            client.stream.conn.complete_io(&mut client.stream.sock).unwrap();
            client.part_of_record(peer::REQUEST, 0)
        }
        Stall::InTheRequest => {
            client.write(&peer::REQUEST[..40]);
            client.part_of_record(&peer::REQUEST[40..], 30)
        }
        Stall::InARecord => {
            client.open();
            client.part_of_record(&[&b"\x82\xfe\x01\x00\0\0\0\0"[..], &[7; 256]].concat(), 30)
        }
    };
    let mut dripping = client.stream.sock.try_clone().unwrap();
    let drip = thread::spawn(move || {
        let rest = if drips { &rest[..] } else { &[] };
        rest.iter().take(100).all(|byte| {
            thread::sleep(Duration::from_millis(20));
            dripping.write_all(&[*byte]).is_ok()
        })
    });
    let outcome = server.ended().unwrap_or_else(Outcome::from);
    assert_eq!(outcome.ended(), stall.ended(), "{what}: {outcome}");
    assert!((SHORT..SOON).contains(&began.elapsed()), "{what}: {:?}", began.elapsed());
    // The socket is closed.
    let end = io::copy(&mut client.stream.sock, &mut io::sink()).map_err(|error| error.kind());
    assert!(matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "{what}: {end:?}");
    drip.join().unwrap();
}

#[test]
fn a_server_that_stalls_is_given_up_at_the_deadline() {
    let authority = Authority::new();
    let configs = authority.configs();
    let stalls = [Stall::InTls, Stall::BeforeTheRequest, Stall::InTheRequest, Stall::InARecord];
    thread::scope(|scope| {
        for (end, stall) in ENDS.iter().flat_map(|end| stalls.map(|stall| (*end, stall))) {
            let configs = configs.clone();
            scope.spawn(move || server_stalls(end, stall, configs));
        }
    });
}

fn server_stalls(end: End, stall: Stall, (server, client): (Arc<ServerConfig>, Arc<ClientConfig>)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let messages = vec![String::from("hello").into()];
    let client = thread::spawn(move || send(end, address, "localhost", client, stall.patience(), messages).0);
    let mut server = peer::Server::accept(&listener, server);
    match stall {
        Stall::BeforeTls | Stall::InTls => {}
        Stall::BeforeTheRequest => _ = server.stream.conn.complete_io(&mut server.stream.sock).unwrap(),
        Stall::InTheRequest => server.write(b"HTTP/1.1 101 Switching Protocols\r\n"),
        Stall::InARecord => {
            server.open();
            server.part_of_record(b"\x81\x05hello", 20);
        }
    }
    let began = Instant::now();
    let outcome = client.join().unwrap().unwrap_or_else(Outcome::from);
    assert_eq!(outcome.ended(), stall.ended(), "{end:?} client, {stall:?}: {outcome}");
    assert!(began.elapsed() < SOON, "{end:?} client, {stall:?}: {:?}", began.elapsed());
}

/// Whatever TLS and the socket have taken: the peer does not read, and is given up.
#[test]
fn a_client_that_reads_nothing_is_dropped() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    for end in ENDS {
        let server = Server::start(end, server_config.clone(), impatient_when_open());
        let mut client = peer::Client::connect_with_small_buffers(server.address, client_config.clone());
        client.open();
        let frame = [&b"\x82\xff\0\0\0\0\0\x0c\0\0\0\0\0\0"[..], &vec![7; 0xc_0000]].concat();
        let began = Instant::now();
        // Until the server does not read any more either.
        while began.elapsed() < LIMIT && client.stream.write_all(&frame).and_then(|()| client.stream.flush()).is_ok() {}
        let outcome = server.ended().unwrap();
        assert_eq!(outcome.ended(), Ended::TimedOut(TimedOut::Writing), "{end:?}: {outcome}");
    }
}

/// If nothing is pending any more, there may still be bytes in TLS, which nobody will take.
#[test]
fn a_client_that_reads_nothing_and_ends_its_half_is_let_go() {
    let authority = Authority::new();
    let (server_config, client_config) = authority.configs();
    thread::scope(|scope| {
        for (end, len) in ENDS.iter().flat_map(|end| (1000..60_000_u16).step_by(4000).map(|len| (*end, len))) {
            let (server_config, client_config) = (server_config.clone(), client_config.clone());
            scope.spawn(move || {
                let server = Server::start_with_small_buffers(end, server_config, impatient_when_open());
                let mut client = peer::Client::connect_with_small_buffers(server.address, client_config);
                client.open();
                let [high, low] = len.to_be_bytes();
                client.write(&[&[0x82, 0xfe, high, low, 0, 0, 0, 0], &vec![7; len.into()][..]].concat());
                client.end(false);
                let outcome = server.ended().unwrap();
                assert!(!outcome.is_clean(), "{end:?}, {len} bytes: {outcome}");
            });
        }
    });
}

/// The alert of TLS arrives, though there are bytes which the server has not read.
#[test]
fn plain_http_on_the_port_of_tls() {
    let authority = Authority::new();
    let (server_config, _) = authority.configs();
    for end in ENDS {
        let server = Server::start(end, server_config.clone(), Patience::new());
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let request = client::Request::new(Uri::parse("ws://localhost/").unwrap());
        let mut handshake = client::Handshake::new(Config::new(), &request, SystemRandom::new().unwrap()).unwrap();
        socket.write_all(&[handshake.pending(), &[b'x'; 100_000]].concat()).unwrap();
        let mut answer = Vec::new();
        socket.shutdown(Shutdown::Write).unwrap();
        socket.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{end:?}: {error}"));
        // A fatal alert: content type, version, length, level.
        assert!(matches!(answer[..], [0x15, 3, _, 0, 2, 2, ..]), "{end:?}: {answer:?}");
        assert!(handshake.read(&mut Input::new(&mut answer)));
        assert_eq!(handshake.into_response().err(), Some(HeadError::Tls));
        let error = server.ended().unwrap_err();
        assert!(error.to_string().contains("corrupt message"), "{end:?}: {error}");
    }
}

#[test]
fn tls_on_a_plain_port() {
    let authority = Authority::new();
    let (_, client_config) = authority.configs();
    for end in ENDS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let plain = thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            let (mut handshake, mut bytes) = (server::Handshake::new(Config::new()), [0; 1024]);
            loop {
                let n = socket.read(&mut bytes).unwrap();
                if handshake.read(&mut Input::new(&mut bytes[..n])) || n == 0 {
                    break;
                }
            }
            let refusal = handshake.into_request().unwrap_err();
            let mut response = Vec::new();
            refusal.response().write(&mut response).unwrap();
            socket.write_all(&response).unwrap();
            refusal
        });
        let error = send(end, address, "localhost", client_config.clone(), Patience::new(), vec![Vec::new().into()]).0;
        let error = error.unwrap_err();
        assert!(error.to_string().contains("corrupt message"), "{end:?}: {error}");
        assert_eq!(plain.join().unwrap(), server::Refusal::Head(HeadError::Tls));
    }
}
