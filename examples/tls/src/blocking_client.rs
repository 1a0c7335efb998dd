//! A client that blocks: it asks one question after the other, and closes after the last answer.
//!
//! It does not read while it writes. For both at once take the client on tokio, or two threads as the example `wscat`.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection as TlsConnection, StreamOwned, pki_types::ServerName};
use websocket_proto::{
    ClientConnection, CloseCode, Config, Connection, Event, Input, Message, Outcome, OwnedMessage, ReadBuffer, Role,
    Sender, SystemRandom, Transport, Uri, client,
    time::{Patience, TimedOut, Watch},
};

use crate::{
    blocking_records::{RECORD, read, write},
    timed::Timed,
};

type Stream = StreamOwned<TlsConnection, Timed>;

/// A connection from its first byte to its last. Returns how it ended; an error if it was never open.
///
/// The socket is connected to the server, or to a proxy that has opened a tunnel to it.
pub fn run(
    socket: TcpStream,
    uri: Uri<'_>,
    config: Arc<ClientConfig>,
    patience: Patience,
    questions: impl IntoIterator<Item = OwnedMessage>,
    on_answer: impl FnMut(Message<'_>),
) -> io::Result<Outcome> {
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(uri.host().to_owned()).map_err(io::Error::other)?;
    let mut stream = Stream::new(TlsConnection::new(config, name).map_err(io::Error::other)?, Timed::new(socket));
    let origin = Instant::now();
    let now = || origin.elapsed();
    let mut watch = Watch::new(patience, now());
    // One deadline for the handshakes of TLS and of the WebSocket.
    stream.sock.allow(watch.check_opening(now())?);
    let ran = match open(&mut stream, uri) {
        Ok(mut connection) => {
            match talk(&mut stream, &mut connection, &mut watch, now, questions.into_iter(), on_answer) {
                Ok(()) => Ok(connection.outcome()),
                Err(timed_out) => return Ok(connection.outcome().or_timed_out(timed_out)),
            }
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => return Err(TimedOut::Opening.into()),
        Err(error) => Err(error),
    };
    // The server may be gone already.
    if let Ok(wait) = watch.check_end(now()) {
        stream.sock.allow(wait);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
    ran
}

/// Both handshakes: that of TLS, and that of the WebSocket.
fn open(stream: &mut Stream, uri: Uri<'_>) -> io::Result<ClientConnection> {
    stream.conn.complete_io(&mut stream.sock)?;
    let mut handshake = client::Handshake::new(Config::new(), &client::Request::new(uri), SystemRandom::new()?)?;
    stream.write_all(handshake.pending())?;
    stream.flush()?;
    // Single bytes, so that the bytes behind the response stay in TLS.
    let mut byte = [0];
    loop {
        match stream.read_exact(&mut byte) {
            Ok(_) if !handshake.read(&mut Input::new(&mut byte)) => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            // The response, or the end of the stream: the handshake knows what is missing.
            _ => break,
        }
    }
    Ok(handshake.into_response()?.upgrade()?)
}

/// An open connection, and its closing handshake.
fn talk(
    stream: &mut Stream,
    Connection { receiver: rx, sender: tx }: &mut ClientConnection,
    watch: &mut Watch,
    now: impl Fn() -> Duration,
    mut questions: impl Iterator<Item = OwnedMessage>,
    mut on_answer: impl FnMut(Message<'_>),
) -> Result<(), TimedOut> {
    let mut buffer = ReadBuffer::new(vec![0; RECORD]);
    ask(tx, questions.next());
    loop {
        stream.sock.allow(watch.check(tx, now())?);
        match write(stream, tx, watch, &now) {
            Ok(()) if tx.transport() == Transport::CloseNow => return Ok(()),
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::TimedOut => continue,
            // A Close that says why may have arrived.
            Err(_) => tx.transport_lost(),
        }
        let mut input = match read(stream, buffer.room_for(rx)) {
            Ok(n @ 1..) => buffer.received(n),
            Err(error) if error.kind() == ErrorKind::TimedOut => continue,
            // With a `close_notify` or without: whether this is a loss, only a Close of the server can tell.
            _ => return Ok(()),
        };
        watch.heard(now());
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Event::Pong(payload) = event {
                watch.pong(payload, now());
            } else if let Some(message) = event.message() {
                on_answer(message);
                if tx.is_open() {
                    ask(tx, questions.next());
                }
            }
        }
    }
}

/// Sends a question; a Close if there is none.
fn ask<R: Role>(tx: &mut Sender<R, Vec<u8>>, question: Option<OwnedMessage>) {
    let sent = match question {
        Some(question) => tx.send(&question),
        None => tx.close(CloseCode::NORMAL, ""),
    };
    if sent.is_err() {
        // There is no memory for it.
        let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
    }
}
