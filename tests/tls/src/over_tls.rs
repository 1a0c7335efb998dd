//! The blocking loops, over rustls' `StreamOwned`.

use std::{
    error::Error,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustls::{ClientConnection, ServerConnection, StreamOwned};
use websocket_proto::{Config, Connection, Event, ReadBuffer, SystemRandom, Transport, Uri, client, frame::CloseCode};

use crate::{
    documented::{client::connect, reading::read, readme::echo},
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

/// A client's loop: the handshake as in the module `client`, then the README's loop, which reads with the crate page's
/// `read`. Sends a message, waits for its echo and closes.
fn converse<S: Read + Write>(mut socket: S, message: &[u8]) -> Result<(), Box<dyn Error>> {
    let request = client::Request::new(Uri::parse("wss://localhost/")?);
    let mut handshake = client::Handshake::new(Config::new(), &request, SystemRandom::new()?)?;
    socket.write_all(handshake.pending())?;
    socket.flush()?;
    let mut buffer = ReadBuffer::new(vec![0; 16 * 1024]);
    let mut input = loop {
        let n = socket.read(buffer.room())?;
        let mut input = buffer.received(n);
        if handshake.read(&mut input) || n == 0 {
            break input;
        }
    };
    let Connection { receiver: mut rx, sender: mut tx } = handshake.into_response()?.upgrade()?;
    tx.send_binary(message)?;
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            match event {
                Event::Binary(bytes) if bytes == message => tx.close(CloseCode::NORMAL, "")?,
                Event::Close { .. } => {}
                _ => return Err("not what was sent".into()),
            }
        }
        while !tx.is_empty() {
            socket.write_all(tx.pending())?;
            tx.consume(tx.pending().len());
        }
        socket.flush()?;
        if tx.transport() == Transport::CloseNow {
            return Ok(rx.end_of_input()?);
        }
        let n = read(&mut socket, &mut buffer, &mut rx)?;
        if n == 0 {
            return Ok(rx.end_of_input()?);
        }
        input = buffer.received(n);
    }
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
            converse(client_stream, &vec![7; len]).unwrap();
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
