//! A connection of an echo server, from its first byte to its last, with a deadline for each step.

use core::{fmt, future::Future, pin::pin, str, time::Duration};

use edge_http::{io, io::server::Connection, ws::MAX_BASE64_KEY_RESPONSE_LEN};
use edge_ws::{Error, FrameHeader, FrameType, io::send};
use embassy_net::tcp::{AcceptError, Error as Reset, TcpReader, TcpSocket, TcpWriter};
use embassy_time::{Duration as Ticks, Timer, with_timeout};
use embedded_io_async::Write;

/// The longest payload of a control frame.
pub const CONTROL: usize = 125;

/// How long a client may take to complete the handshake of TCP.
const HALF_OPEN: Ticks = Ticks::from_secs(10);

/// The stack acknowledges the end of the peer's half up to 10 ms later, unless the socket is in use again before.
const LAST_ACK: Ticks = Ticks::from_millis(20);

/// How long the last packet may take to leave.
const RESET: Duration = Duration::from_secs(1);

/// How long a peer may take over each step. This server does not wait for an answer to its own Close: it sends one only
/// when a connection has failed.
#[derive(Clone, Copy)]
pub struct Patience {
    pub opening: Option<Duration>,
    pub silence: Option<Duration>,
    pub answer: Option<Duration>,
    pub end: Option<Duration>,
}

/// How a connection ended.
pub enum Outcome {
    Closed(u16),
    Failed(u16, &'static str),
    TooLong(u64, usize),
    Lost { in_message: bool },
    TimedOut(&'static str),
    NoRequest,
    NotOpened(io::Error<Reset>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(1000) => f.write_str("closed by the peer: 1000 (normal closure)"),
            Self::Closed(1001) => f.write_str("closed by the peer: 1001 (going away)"),
            Self::Closed(1005) => f.write_str("closed by the peer: 1005 (no code)"),
            Self::Closed(code) => write!(f, "closed by the peer: {code}"),
            Self::Failed(_, why) => write!(f, "failed: {why}"),
            Self::TooLong(len, most) => {
                write!(f, "failed: message of {len} bytes (at most {most}) (RFC 6455 §10.4)")
            }
            Self::Lost { in_message: true } => f.write_str("connection lost in the middle of a message"),
            Self::Lost { in_message: false } => {
                f.write_str("connection lost: the peer left without a closing handshake")
            }
            Self::TimedOut(step) => write!(f, "timed out{step}"),
            Self::NoRequest => f.write_str("not opened: no request for a WebSocket"),
            Self::NotOpened(error) => write!(f, "not opened: {error}"),
        }
    }
}

/// Waits for a client and serves it. Returns how the connection ended; then the socket is free for the next one.
///
/// `buffer` holds the request, then a message and a control frame in the middle of it.
pub async fn serve(
    socket: &mut TcpSocket<'_>,
    port: u16,
    patience: Patience,
    buffer: &mut [u8],
) -> Result<Outcome, AcceptError> {
    // The stack has no limit of its own. This one would also end connections that are only silent.
    socket.set_timeout(Some(HALF_OPEN));
    socket.accept(port).await?;
    socket.set_timeout(None);
    socket.set_nagle_enabled(false);
    let outcome = match within(patience.opening, open(socket, buffer)).await {
        Some(Ok(true)) => match talk(socket, patience, buffer).await {
            // edge-ws has one error for an invalid header and for the end of the stream.
            Err(Outcome::Failed(..)) if !socket.may_recv() => Outcome::Lost { in_message: false },
            Ok(outcome) | Err(outcome) => outcome,
        },
        Some(Ok(false)) => Outcome::NoRequest,
        Some(Err(error)) => Outcome::NotOpened(error),
        None => Outcome::TimedOut(" in the opening handshake"),
    };
    let code = match outcome {
        Outcome::Failed(code, _) => Some(code),
        Outcome::TooLong(..) => Some(1009),
        _ => None,
    };
    if let Some(code) = code {
        let _ = reply(&mut socket.split().1, patience, FrameType::Close, &code.to_be_bytes()).await;
    }
    end(socket, patience, &outcome).await;
    Ok(outcome)
}

/// The opening handshake. Returns whether the client has asked for a WebSocket.
async fn open(socket: &mut TcpSocket<'_>, buffer: &mut [u8]) -> Result<bool, io::Error<Reset>> {
    let mut http = Connection::<_, 32>::new(buffer, socket).await?;
    let is_upgrade = http.is_ws_upgrade_request()?;
    if is_upgrade {
        http.initiate_ws_upgrade_response(&mut [0; MAX_BASE64_KEY_RESPONSE_LEN]).await?;
    } else {
        let headers = [("Connection", "Close"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
        http.initiate_response(426, Some("Upgrade Required"), &headers).await?;
        http.write_all(b"This is a WebSocket server.\n").await?;
        http.complete().await?;
    }
    Ok(is_upgrade)
}

/// An open connection, until the peer has closed it.
async fn talk(socket: &mut TcpSocket<'_>, patience: Patience, buffer: &mut [u8]) -> Result<Outcome, Outcome> {
    let (mut reader, mut writer) = socket.split();
    let (mut message, mut len, mut pings) = (None, 0, 0_u32);
    loop {
        let (frame, end) = {
            // It would lose bytes if it was dropped, so it stays where it is while a Ping is sent.
            let mut frame = pin!(receive(&mut reader, buffer, len, message.is_some()));
            match within(patience.silence, frame.as_mut()).await {
                Some(frame) => frame?,
                None => {
                    pings += 1;
                    reply(&mut writer, patience, FrameType::Ping, &pings.to_be_bytes()).await?;
                    within(patience.answer, frame).await.ok_or(Outcome::TimedOut(": no answer to a Ping"))??
                }
            }
        };
        let payload = &buffer[len..end];
        match frame {
            FrameType::Ping => reply(&mut writer, patience, FrameType::Pong, payload).await?,
            FrameType::Pong => {}
            FrameType::Close => {
                let _ = reply(&mut writer, patience, FrameType::Close, payload).await;
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                return Ok(Outcome::Closed(code));
            }
            FrameType::Text(_) => (message, len) = (Some(FrameType::Text(false)), end),
            FrameType::Binary(_) => (message, len) = (Some(FrameType::Binary(false)), end),
            FrameType::Continue(_) => len = end,
        }
        if let Some(kind) = message
            && matches!(frame, FrameType::Text(false) | FrameType::Binary(false) | FrameType::Continue(true))
        {
            if kind == FrameType::Text(false) && str::from_utf8(&buffer[..len]).is_err() {
                return Err(Outcome::Failed(1007, "text is not UTF-8 (RFC 6455 §8.1)"));
            }
            reply(&mut writer, patience, kind, &buffer[..len]).await?;
            (message, len) = (None, 0);
        }
    }
}

/// Reads a frame, and puts its payload behind the fragments before it. Returns what it is, and where it ends.
async fn receive(
    reader: &mut TcpReader<'_>,
    buffer: &mut [u8],
    len: usize,
    in_message: bool,
) -> Result<(FrameType, usize), Outcome> {
    let header = FrameHeader::recv(&mut *reader).await.map_err(|error| match error {
        Error::Io(_) => Outcome::Lost { in_message },
        _ => Outcome::Failed(1002, "the header of a frame is invalid"),
    })?;
    let (payload_len, most) = (header.payload_len, buffer.len() - CONTROL);
    let fault = match header.frame_type {
        _ if header.mask_key.is_none() => Some("frame without a mask (RFC 6455 §5.1)"),
        FrameType::Ping | FrameType::Pong | FrameType::Close if payload_len > CONTROL as u64 => {
            Some("control frame of more than 125 bytes")
        }
        FrameType::Continue(_) if !in_message => Some("no message to continue"),
        FrameType::Text(_) | FrameType::Binary(_) if in_message => Some("a message in a message"),
        FrameType::Text(_) | FrameType::Binary(_) | FrameType::Continue(_) if payload_len > (most - len) as u64 => {
            return Err(Outcome::TooLong(payload_len.saturating_add(len as u64), most));
        }
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(Outcome::Failed(1002, fault));
    }
    let payload = header.recv_payload(reader, &mut buffer[len..]).await;
    let payload = payload.map_err(|_| Outcome::Lost { in_message: true })?;
    Ok((header.frame_type, len + payload.len()))
}

/// Sends a frame. A lost stream is no error here: the next read finds it, after what has arrived before.
async fn reply(
    writer: &mut TcpWriter<'_>,
    patience: Patience,
    frame: FrameType,
    payload: &[u8],
) -> Result<(), Outcome> {
    let wait = patience.silence.zip(patience.answer).map(|(silence, answer)| silence.saturating_add(answer));
    match within(wait, send(writer, frame, None, payload)).await {
        Some(_) => Ok(()),
        None => Err(Outcome::TimedOut(": the peer does not read")),
    }
}

/// Waits no longer than this.
async fn within<F: Future>(wait: Option<Duration>, future: F) -> Option<F::Output> {
    match wait.and_then(|wait| wait.try_into().ok()) {
        Some(wait) => with_timeout(wait, future).await.ok(),
        None => Some(future.await),
    }
}

/// Ends the stream, so that the socket is free again. A peer that is gone, or does not end its half, is reset: the
/// stack itself would go on to send for ever.
async fn end(socket: &mut TcpSocket<'_>, patience: Patience, outcome: &Outcome) {
    let is_gone = matches!(outcome, Outcome::TimedOut(_));
    if is_gone || shut_down(socket, patience).await.is_none() {
        socket.abort();
        let _ = within(Some(RESET), socket.flush()).await;
    }
}

/// Ends our half of the stream, and reads the other half to its end: else a reset could overtake the Close frame.
async fn shut_down(socket: &mut TcpSocket<'_>, patience: Patience) -> Option<()> {
    socket.close();
    let ended = async {
        while socket.read_with(|rest| (rest.len(), ())).await.is_ok() {}
        let _ = socket.flush().await;
        Timer::after(LAST_ACK).await;
    };
    within(patience.end, ended).await
}
