//! The blocking loops, over rustls' `StreamOwned`.

use std::{
    io::Write,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustls::{ClientConnection, ServerConnection, StreamOwned};
use websocket_proto::Uri;

use crate::{
    documented::{asking::ask, client::connect, readme::echo},
    tls::{configs, name},
};

type ServerStream = StreamOwned<ServerConnection, TcpStream>;
type ClientStream = StreamOwned<ClientConnection, TcpStream>;

/// For steps that take a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server's and a client's end. Neither waits longer than this for the other.
fn streams() -> (ServerStream, ClientStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = listener.accept().unwrap().0;
    for socket in [&accepted, &connected] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
    }
    let (server, client) = configs();
    (
        StreamOwned::new(ServerConnection::new(server).unwrap(), accepted),
        StreamOwned::new(ClientConnection::new(client, name()).unwrap(), connected),
    )
}

#[test]
fn a_client_and_a_server_talk_and_part_with_and_without_close_notify() {
    for close_notify in [true, false] {
        for len in [0, 5, 1_000_000] {
            let (mut server_stream, client_stream) = streams();
            let server = thread::spawn(move || {
                echo(&mut server_stream).unwrap();
                if close_notify {
                    server_stream.conn.send_close_notify();
                    server_stream.flush().unwrap();
                }
            });
            let question = "x".repeat(len);
            assert!(ask(client_stream, Uri::parse("wss://localhost/").unwrap(), &question).unwrap() == question);
            server.join().unwrap();
        }
    }
}

/// Other interfaces call it close code 1006.
#[test]
fn a_client_that_leaves_without_a_close_is_an_error_with_and_without_close_notify() {
    for close_notify in [true, false] {
        let (server_stream, mut client_stream) = streams();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(echo(server_stream).unwrap_err().to_string()).unwrap());
        connect(&mut client_stream).unwrap();
        if close_notify {
            client_stream.conn.send_close_notify();
            client_stream.flush().unwrap();
        }
        client_stream.sock.shutdown(Shutdown::Write).unwrap();
        let error = end.recv_timeout(PATIENCE).expect("the loop does not end");
        let wanted = if close_notify { "without a closing handshake" } else { "without sending TLS close_notify" };
        assert!(error.contains(wanted), "{error}");
    }
}
