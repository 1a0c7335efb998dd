//! Peers that do by hand what a test wants: TLS is rustls', and the bytes in it are the test's.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::{Deref, DerefMut},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData, StreamOwned,
    pki_types::ServerName,
};
use tokio::net::TcpSocket;
use websocket_proto::{Config, Input, server};

use crate::ends::{LIMIT, on_tokio};

pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub struct Peer<C> {
    pub stream: StreamOwned<C, TcpStream>,
}

pub type Client = Peer<ClientConnection>;
pub type Server = Peer<ServerConnection>;

impl<C, S> Peer<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    fn new(connection: C, socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.set_write_timeout(Some(LIMIT)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { stream: StreamOwned::new(connection, socket) }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Writes only so many bytes of the record that has these bytes. Returns the rest of it.
    pub fn part_of_record(&mut self, bytes: &[u8], count: usize) -> Vec<u8> {
        self.stream.conn.writer().write_all(bytes).unwrap();
        self.part(count)
    }

    /// Writes only so many bytes of what TLS has to send. Returns the rest of it.
    fn part(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.conn.write_tls(&mut bytes).unwrap();
        let rest = bytes.split_off(count);
        self.stream.sock.write_all(&bytes).unwrap();
        rest
    }

    pub fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        self.stream.read_exact(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    /// Ends our half of the stream, as it should be done or without a `close_notify`.
    pub fn end(&mut self, close_notify: bool) {
        if close_notify {
            self.stream.conn.send_close_notify();
            self.stream.flush().unwrap();
        }
        self.stream.sock.shutdown(Shutdown::Write).unwrap();
    }

    /// The bytes until the other end's `close_notify`. Without one, or after a reset, this panics.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }

    /// Reads a head of HTTP.
    fn head(&mut self) -> Vec<u8> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        head
    }
}

impl Client {
    pub fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self::over(TcpStream::connect(address).unwrap(), config)
    }

    /// Its socket takes far less than TLS does.
    pub fn connect_with_small_buffers(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let socket = on_tokio(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4 << 10).unwrap();
            socket.connect(address).await.unwrap().into_std().unwrap()
        });
        socket.set_nonblocking(false).unwrap();
        Self::over(socket, config)
    }

    fn over(socket: TcpStream, config: Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self::new(ClientConnection::new(config, name).unwrap(), socket)
    }

    /// Writes so many bytes of the first message of TLS. Returns the rest of it.
    pub fn hello(&mut self, count: usize) -> Vec<u8> {
        self.part(count)
    }

    /// The opening handshake.
    pub fn open(&mut self) {
        self.write(REQUEST);
        assert!(self.head().starts_with(b"HTTP/1.1 101 "));
    }
}

impl Server {
    pub fn accept(listener: &TcpListener, config: Arc<ServerConfig>) -> Self {
        Self::new(ServerConnection::new(config).unwrap(), listener.accept().unwrap().0)
    }

    /// The opening handshake.
    pub fn open(&mut self) {
        let mut handshake = server::Handshake::new(Config::new());
        assert!(handshake.read(&mut Input::new(&mut self.head())));
        let upgrade = handshake.into_request().unwrap().upgrade().unwrap();
        let connection = upgrade.accept(&server::Accept::new()).unwrap();
        self.write(connection.sender.pending());
    }

    /// Reads the only frame that a client sends here: a short one.
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 6];
        self.stream.read_exact(&mut header).unwrap();
        let mut payload = vec![0; (header[1] & 0x7f).into()];
        self.stream.read_exact(&mut payload).unwrap();
        payload.iter_mut().zip(header[2..].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        (header[0], payload)
    }
}
