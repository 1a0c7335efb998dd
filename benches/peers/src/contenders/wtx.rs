//! wtx: it lends frames where it can (`Adaptive`), and has a generator for masking keys. A client masks the payload
//! that it is given in place, so it is given a copy.

use std::io::{self, IoSlice, Read, Write};

use wtx::{
    collection::Vector,
    rng::{Xorshift64, simple_seed},
    stream::{StreamReader, StreamWriter},
    web_socket::{
        DeflateConfig, Frame, OpCode, WebSocket, WebSocketAcceptor, WebSocketBuffer, WebSocketPayloadOrigin,
        compression::{Compression, CompressionLevel, Flate2, NegotiatedCompression, WindowBits},
    },
};

use super::limit;
use crate::{
    contender::{Contender, Kind, Receive, Role, Send, Takeover, Turn, now, task},
    socket::Socket,
};

pub struct Wtx;

type Connection<C, const IS_CLIENT: bool> = WebSocket<C, Xorshift64, Socket, WebSocketBuffer, IS_CLIENT>;

impl Contender for Wtx {
    fn name(&self) -> &'static str {
        "wtx"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        Some(match (receive.role, receive.deflate) {
            (Role::Server, None) => receiving(open::<_, false>((), limit(receive.len), socket)),
            (Role::Client, None) => receiving(open::<_, true>((), limit(receive.len), socket)),
            (_, Some(takeover)) => receiving(open::<_, false>(deflate(takeover)?, None, socket)),
        })
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        Some(match (send.role, send.deflate) {
            (Role::Server, None) => sending(open::<_, false>((), None, socket), send),
            (Role::Client, None) => sending(open::<_, true>((), None, socket), send),
            (_, Some(takeover)) => sending(open::<_, false>(deflate(takeover)?, None, socket), send),
        })
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut socket = open::<_, false>((), None, socket);
        Some(task(async move |_| {
            let mut buffer = Vector::new();
            let (mut common, mut reader, mut writer) = socket.split_mut();
            loop {
                let frame = reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await;
                let mut frame = frame.unwrap();
                if matches!(frame.op_code(), OpCode::Text | OpCode::Binary) {
                    writer.write_frame(&mut common, &mut frame).await.unwrap();
                }
            }
        }))
    }

    fn handshake(&self, socket: Socket) -> Option<Turn> {
        Some(Box::new(move |_| {
            let accepted: wtx::Result<_> = now(WebSocketAcceptor::default().accept(socket.clone())).unwrap();
            accepted.unwrap();
        }))
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn open<C: NegotiatedCompression, const IS_CLIENT: bool>(
    compression: C,
    limit: Option<usize>,
    socket: Socket,
) -> Connection<C, IS_CLIENT> {
    let random = Xorshift64::new(simple_seed());
    let mut socket = WebSocket::new(compression, false, random, socket, WebSocketBuffer::new());
    if let Some(limit) = limit {
        socket.set_max_payload_len(limit);
    }
    socket
}

/// It resets the window after every message, so it takes part only without context takeover.
fn deflate(Takeover(takeover): Takeover) -> Option<impl NegotiatedCompression> {
    let offer = [httparse::Header { name: "sec-websocket-extensions", value: b"permessage-deflate" }];
    let config = DeflateConfig {
        client_max_window_bits: WindowBits::Fifteen,
        compression_level: CompressionLevel::Six,
        server_max_window_bits: WindowBits::Fifteen,
    };
    let negotiated = || Compression::<false>::negotiate(Flate2::from(config), offer.iter()).unwrap();
    (!takeover).then(negotiated)
}

fn receiving<C: NegotiatedCompression + 'static, const IS_CLIENT: bool>(mut socket: Connection<C, IS_CLIENT>) -> Turn {
    task(async move |seen| {
        let mut buffer = Vector::new();
        loop {
            let frame = socket.read_frame(&mut buffer, WebSocketPayloadOrigin::Adaptive).await.unwrap();
            match frame.op_code() {
                OpCode::Text => seen.borrow_mut().message(Kind::Text, frame.payload()),
                OpCode::Binary => seen.borrow_mut().message(Kind::Binary, frame.payload()),
                _ => {}
            }
        }
    })
}

fn sending<C: NegotiatedCompression + 'static, const IS_CLIENT: bool>(
    mut socket: Connection<C, IS_CLIENT>,
    send: Send,
) -> Turn {
    let opcode = if send.kind == Kind::Text { OpCode::Text } else { OpCode::Binary };
    let mut payloads: Vec<_> = send.payloads.iter().map(|payload| payload.to_vec()).collect();
    let mut copy = Vec::new();
    let mut next = 0;
    Box::new(move |_| {
        for _ in 0..send.flush {
            let mut payload = &mut payloads[next];
            if IS_CLIENT {
                copy.clear();
                copy.extend_from_slice(payload);
                payload = &mut copy;
            }
            now(socket.write_frame(&mut Frame::new_fin(opcode, payload))).unwrap().unwrap();
            next = (next + 1) % payloads.len();
        }
    })
}

impl StreamReader for Socket {
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        match Read::read(self, bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Pause::default().await,
            outcome => return Ok(outcome?),
        }
        Ok(Read::read(self, bytes)?)
    }
}

impl StreamWriter for Socket {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        Ok(Write::write_all(self, bytes)?)
    }

    async fn write_all_vectored(&mut self, bytes: &[&[u8]]) -> wtx::Result<()> {
        // It takes everything. The trait promises that there are not more slices than fit here.
        let mut slices = [IoSlice::new(&[]); 8];
        for (slice, bytes) in slices.iter_mut().zip(bytes) {
            *slice = IoSlice::new(bytes);
        }
        let written = self.write_vectored(&slices[..bytes.len()])?;
        assert_eq!(written, bytes.iter().map(|bytes| bytes.len()).sum());
        Ok(())
    }
}

/// A future that is ready when it is polled for the second time.
#[derive(Default)]
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    }
}
