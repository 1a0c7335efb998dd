//! The clients: hyper opens the streams, over either version of HTTP.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    ext::Protocol,
    upgrade::{self, Upgraded},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use websocket_proto::{
    ClientConnection, CloseCode, Config, Event, ReadBuffer, SystemRandom, Uri,
    client::{self, Offer},
};

use crate::Fault;

/// How many messages of a WebSocket are under way.
const UNDER_WAY: u32 = 8;

/// Opens WebSockets, as streams of HTTP/2 or with a connection for each.
pub(crate) struct Dialer {
    server: SocketAddr,
    /// How many streams a connection of HTTP/2 has; 0 for HTTP/1.1.
    streams: usize,
    connection: Option<http2::SendRequest<Empty<Bytes>>>,
    opened: usize,
}

impl Dialer {
    pub(crate) fn new(server: SocketAddr, streams: usize) -> Self {
        Self { server, streams, connection: None, opened: 0 }
    }

    pub(crate) async fn open(&mut self) -> Result<WebSocket, Fault> {
        let address = format!("ws://{}/", self.server);
        let asked = client::Request::new(Uri::parse(&address)?);
        let is_http2 = self.streams > 0;
        let make = if is_http2 { Offer::extended_connect } else { Offer::http1 };
        let offer = make(Config::new(), &asked, SystemRandom::new()?)?;
        let mut request = offer.http_request()?.map(|()| Empty::new());
        let response = if is_http2 {
            request.extensions_mut().insert(Protocol::from_static("websocket"));
            if self.opened.is_multiple_of(self.streams) {
                self.connection = Some(self.connect().await?);
            }
            self.opened += 1;
            self.connection.as_mut().ok_or("not connected")?.send_request(request).await?
        } else {
            let (mut requests, connection) = http1::handshake(self.socket().await?).await?;
            tokio::spawn(connection.with_upgrades());
            requests.send_request(request).await?
        };
        WebSocket::new(response, offer).await
    }

    async fn connect(&self) -> Result<http2::SendRequest<Empty<Bytes>>, Fault> {
        let (mut requests, connection) = http2::handshake(TokioExecutor::new(), self.socket().await?).await?;
        tokio::spawn(connection);
        // The first response shows that the settings have arrived.
        requests.send_request(Request::get(format!("http://{}/", self.server)).body(Empty::new())?).await?;
        Ok(requests)
    }

    async fn socket(&self) -> Result<TokioIo<TcpStream>, Fault> {
        let socket = TcpStream::connect(self.server).await?;
        socket.set_nodelay(true)?;
        Ok(TokioIo::new(socket))
    }
}

pub(crate) struct WebSocket {
    stream: TokioIo<Upgraded>,
    connection: ClientConnection,
    buffer: ReadBuffer<Vec<u8>>,
}

impl WebSocket {
    async fn new(response: Response<Incoming>, offer: Offer<SystemRandom, Vec<u8>, Vec<u8>>) -> Result<Self, Fault> {
        let connection = offer.http_response(&response)?.upgrade()?;
        let stream = TokioIo::new(upgrade::on(response).await?);
        Ok(Self { stream, connection, buffer: ReadBuffer::new(vec![0; 4 << 10]) })
    }

    /// Sends numbered messages, some at a time. The echo of each must be received, whole and in this order.
    pub(crate) async fn talk(mut self, messages: u32, length: usize) -> Result<Self, Fault> {
        let (mut sent, mut received) = (0u32, 0u32);
        let mut message = vec![7; length];
        while received < messages {
            while sent < messages && sent - received < UNDER_WAY {
                message[..4].copy_from_slice(&sent.to_be_bytes());
                self.connection.sender.send_binary(&message)?;
                sent += 1;
            }
            self.write().await?;
            let count = self.stream.read(self.buffer.room_for(&mut self.connection.receiver)).await?;
            if count == 0 {
                return Err(format!("ended after {received} of {messages} messages").into());
            }
            let mut input = self.buffer.received(count);
            while let Some(event) = self.connection.receiver.next_message(&mut input, &mut self.connection.sender) {
                message[..4].copy_from_slice(&received.to_be_bytes());
                match event {
                    Event::Binary(echo) if echo == message => received += 1,
                    event => return Err(format!("received after {received} messages: {event:?}").into()),
                }
            }
        }
        Ok(self)
    }

    /// Closes, and waits for the server's end of the stream.
    pub(crate) async fn close(mut self) -> Result<(), Fault> {
        self.connection.sender.close(CloseCode::NORMAL, "")?;
        self.write().await?;
        loop {
            let count = self.stream.read(self.buffer.room_for(&mut self.connection.receiver)).await?;
            let mut input = self.buffer.received(count);
            while let Some(event) = self.connection.receiver.next_message(&mut input, &mut self.connection.sender) {
                if !matches!(event, Event::Close { .. }) {
                    return Err(format!("received instead of a Close: {event:?}").into());
                }
            }
            if count == 0 {
                break;
            }
        }
        self.stream.shutdown().await?;
        let outcome = self.connection.outcome();
        if outcome.code() == 1000 { Ok(()) } else { Err(outcome.to_string().into()) }
    }

    async fn write(&mut self) -> Result<(), Fault> {
        let sender = &mut self.connection.sender;
        while !sender.is_empty() {
            let count = self.stream.write(sender.pending()).await?;
            sender.consume(count);
        }
        Ok(self.stream.flush().await?)
    }
}
