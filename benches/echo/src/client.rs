//! A blocking client: for the opening handshake, for the check of the echoes, and for idle connections.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt::set_socket_linger};

use crate::Result;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

/// The number of connections that share a source address. There are ports for five times as many.
const PER_ADDRESS: usize = 5_000;

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
}

impl Client {
    /// Connects, and makes the handshake. The source address depends on `number`, because one has too few ports for
    /// all.
    pub(crate) fn connect(address: SocketAddr, number: usize) -> Result<Self> {
        let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(number / PER_ADDRESS)?);
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddrV4::new(source, 0))?;
        // The connection ends with a reset. Otherwise its port would be in TIME_WAIT and could not be bound for a
        // minute, and there are a quarter of a million connections.
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        connect(&socket, &address)?;
        let mut socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.write_all(request.as_bytes())?;
        let mut response = Vec::new();
        let mut buf = [0; 1024];
        // The server sends nothing more before the client has sent something.
        while !response.ends_with(b"\r\n\r\n") {
            match socket.read(&mut buf)? {
                0 => return Err("the server has closed the connection".into()),
                n => response.extend_from_slice(&buf[..n]),
            }
        }
        let response = String::from_utf8(response)?.to_ascii_lowercase();
        if !response.starts_with("http/1.1 101 ") || !response.contains("s3pplmbitxaq9kygzzhzrbk+xoo=") {
            return Err(format!("not the response to this handshake: {response:?}").into());
        }
        Ok(Self { socket })
    }

    /// Sends a message, reads its echo, and checks that it is the same.
    pub(crate) fn echo(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        self.exchange(&frame(FIN | opcode, payload), &echo(opcode, payload))
    }

    fn exchange(&mut self, sent: &[u8], expected: &[u8]) -> Result<()> {
        self.socket.write_all(sent)?;
        let mut answer = vec![0; expected.len()];
        self.socket.read_exact(&mut answer)?;
        if answer == expected { Ok(()) } else { Err(format!("{} bytes came back changed", expected.len()).into()) }
    }
}

/// A frame as a client sends it: masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0x80, payload.len());
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The frame of an echo.
pub(crate) fn echo(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&header(FIN | opcode, 0, payload.len())[..], payload].concat()
}

fn header(first: u8, mask: u8, len: usize) -> Vec<u8> {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..=125), _) => vec![first, mask | short],
        (_, Ok(middle)) => [&[first, mask | 126][..], &middle.to_be_bytes()].concat(),
        _ => [&[first, mask | 127][..], &(len as u64).to_be_bytes()].concat(),
    }
}

pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// Checks that the server does all of the work: every form of length, text, pings, fragments with a ping between, and
/// many messages at once. It must not echo text that is not UTF-8.
pub(crate) fn check(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address, 0)?;
    for len in [0, 1, 20, 125, 126, 512, 16 << 10, 65_535, 65_536, 200_000] {
        client.echo(BINARY, &payload(len))?;
        client.echo(TEXT, "ä€𝄞a".repeat(len / 10).as_bytes())?;
    }
    client.exchange(&frame(FIN | PING, b"there?"), &echo(PONG, b"there?"))?;
    let fragments = [frame(TEXT, b"one "), frame(FIN | PING, b"?"), frame(FIN, b"message")].concat();
    client.exchange(&fragments, &[echo(PONG, b"?"), echo(TEXT, b"one message")].concat())?;
    let (sent, expected) = (frame(FIN | BINARY, &payload(300)).repeat(100), echo(BINARY, &payload(300)).repeat(100));
    client.exchange(&sent, &expected)?;
    client.socket.write_all(&frame(FIN | TEXT, b"\xff"))?;
    let mut first = [0];
    match client.socket.read(&mut first) {
        Ok(1) if first == [FIN | TEXT] => Err("it echoes text that is not UTF-8".into()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err("it ignores text that is not UTF-8".into()),
        _ => Ok(()),
    }
}
