//! The echo servers of `examples` as processes, each against the same clients: blocking, on an event loop, on tokio.
#![cfg(feature = "deflate")]

mod example;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use websocket_proto::{
    Client, Config, Connection, Event, Input, Message, SystemRandom, Transport, Uri, client, frame::CloseCode,
};

#[test]
fn messages_of_all_sizes_come_back() {
    each(|server| {
        let mut client = server.connect();
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            client.sends(Message::Binary(&vec![b'x'; len]));
            client.sends(Message::Text(&"ж".repeat(len / 2)));
        }
        client.closes();
    });
}

#[test]
fn many_messages_are_sent_before_any_is_taken() {
    each(|server| {
        let mut client = server.connect();
        const COUNT: usize = 2000;
        let message = [b'x'; 500];
        for _ in 0..COUNT {
            client.connection.sender.send(&message).unwrap();
        }
        // A megabyte: more than a server may keep for a peer that doesn't read, and less than the sockets hold.
        client.write();
        for _ in 0..COUNT {
            client.expects(Message::Binary(&message));
        }
        client.closes();
    });
}

#[test]
fn the_first_message_may_come_with_the_request() {
    each(|server| {
        let mut socket = server.socket();
        let mut hello = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
        hello.extend(b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0");
        socket.write_all(&hello).unwrap();
        let said = until_the_end(&mut socket);
        assert!(said.starts_with(b"HTTP/1.1 101 ") && said.ends_with(b"\r\n\r\n\x81\x02hi\x88\x00"), "{said:?}");
    });
}

#[test]
fn what_breaks_the_protocol_is_told_so_and_left() {
    each(|server| {
        let mut client = server.connect();
        client.socket.write_all(b"\x81\x81\0\0\0\0\xFF").unwrap();
        let said = until_the_end(&mut client.socket);
        assert!(said.starts_with(b"\x88") && said[2..4] == 1007_u16.to_be_bytes(), "{said:?}");
    });
}

#[test]
fn what_is_no_websocket_is_answered() {
    each(|server| {
        let mut socket = server.socket();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let said = until_the_end(&mut socket);
        assert!(said.starts_with(b"HTTP/1.1 426 "), "{}", String::from_utf8_lossy(&said));
    });
}

/// Does the same to every server.
fn each(act: impl Fn(&Echo)) {
    for arguments in
        [["echo", "--listen", "127.0.0.1:0"], ["echo_mio", "--port", "0"], ["echo_tokio", "127.0.0.1:0", ""]]
    {
        act(&Echo::start(&arguments));
    }
}

struct Echo {
    process: Child,
    address: String,
}

impl Echo {
    fn start(arguments: &[&str; 3]) -> Self {
        let mut command = Command::new(example::path(arguments[0]));
        command.args(arguments[1..].iter().filter(|argument| !argument.is_empty()));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ws://").and_then(|address| address.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("{} says {line:?}", arguments[0])).to_owned();
        Self { process, address }
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        // Rather fail than hang.
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    fn connect(&self) -> Peer {
        let mut socket = self.socket();
        let uri = format!("ws://{}/", self.address);
        let request = client::Request::new(Uri::parse(&uri).unwrap());
        let mut handshake =
            client::Handshake::new(Config::new().high_water(4 << 20), &request, SystemRandom::new().unwrap()).unwrap();
        socket.write_all(handshake.pending()).unwrap();
        let mut buf = [0; 1024];
        loop {
            let n = socket.read(&mut buf).unwrap();
            if handshake.read(&mut Input::new(&mut buf[..n])) || n == 0 {
                break;
            }
        }
        Peer { connection: handshake.into_response().unwrap().upgrade().unwrap(), socket }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that reads no further than it has to.
struct Peer {
    socket: TcpStream,
    connection: Connection<Client<SystemRandom>, Vec<u8>, Vec<u8>>,
}

impl Peer {
    fn write(&mut self) {
        let sender = &mut self.connection.sender;
        self.socket.write_all(sender.pending()).unwrap();
        sender.consume(usize::MAX);
    }

    fn sends(&mut self, message: Message<'_>) {
        self.connection.sender.send(message).unwrap();
        self.write();
        self.expects(message);
    }

    fn expects(&mut self, message: Message<'_>) {
        let len = message.as_bytes().len();
        let header = match len {
            ..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        };
        let mut frame = vec![0; header + len];
        self.socket.read_exact(&mut frame).unwrap();
        let Connection { receiver, sender } = &mut self.connection;
        let event = receiver.next_message(&mut Input::new(&mut frame), sender);
        assert!(event.as_ref().and_then(Event::message) == Some(message), "{len} bytes were sent");
    }

    fn closes(mut self) {
        self.connection.sender.close(CloseCode::NORMAL, "bye").unwrap();
        self.write();
        let mut said = until_the_end(&mut self.socket);
        let Connection { receiver, sender } = &mut self.connection;
        let event = receiver.next_message(&mut Input::new(&mut said), sender);
        assert!(matches!(event, Some(Event::Close { code: Some(CloseCode::NORMAL), reason: "bye", .. })), "{event:?}");
        assert_eq!(sender.transport(), Transport::AwaitEnd);
    }
}

/// What comes until the server ends the stream, which it does in order.
fn until_the_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    socket.read_to_end(&mut said).unwrap();
    said
}
