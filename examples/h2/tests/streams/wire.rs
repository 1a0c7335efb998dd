//! What passes over a socket, as frames of HTTP/2.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use h2::Reason;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

#[derive(Clone, Default)]
pub(crate) struct Wire {
    received: Arc<Mutex<Vec<u8>>>,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    /// The frames of a stream, without those about windows. Such as: HEADERS, DATA 7, DATA 0 END_STREAM.
    pub(crate) fn received(&self, stream: u32) -> Vec<String> {
        frames(&self.received.lock().unwrap(), stream)
    }

    pub(crate) fn sent(&self, stream: u32) -> Vec<String> {
        frames(&self.sent.lock().unwrap()[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()..], stream)
    }
}

/// RFC 9113 §4.1.
pub(crate) fn frames(mut bytes: &[u8], stream: u32) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some((&[a, b, c, kind, flags, id @ ..], rest)) = bytes.split_first_chunk::<9>() {
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(len) else { break };
        bytes = rest;
        let end = if flags & 1 != 0 { " END_STREAM" } else { "" };
        if u32::from_be_bytes(id) == stream {
            match kind {
                0 => frames.push(format!("DATA {len}{end}")),
                1 => frames.push(format!("HEADERS{end}")),
                3 => frames
                    .push(format!("RST_STREAM {:?}", Reason::from(u32::from_be_bytes(payload.try_into().unwrap())))),
                8 => {}
                kind => frames.push(format!("frame of type {kind}")),
            }
        }
    }
    frames
}

/// Records what passes.
pub(crate) struct Tap {
    pub(crate) socket: TcpStream,
    pub(crate) wire: Wire,
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buf))?;
        self.wire.received.lock().unwrap().extend(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.socket).poll_write(context, bytes))?;
        self.wire.sent.lock().unwrap().extend(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
