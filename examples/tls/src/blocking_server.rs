//! A server with a thread for each connection: it sends every message back.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection as TlsConnection, StreamOwned};
use websocket_proto::{
    Config, Connection, Event, Input, Outcome, ReadBuffer, ServerConnection, Transport,
    frame::CloseCode,
    server,
    time::{Patience, TimedOut, Watch},
};

use crate::{
    blocking_records::{RECORD, read, write},
    timed::Timed,
};

type Stream = StreamOwned<TlsConnection, Timed>;

/// Serves for ever.
pub fn run(listener: &TcpListener, config: &Arc<ServerConfig>, patience: Patience) {
    for socket in listener.incoming() {
        let Ok(socket) = socket else {
            // Most likely there are no file descriptors left; some will be closed.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let config = config.clone();
        thread::spawn(move || match serve(socket, config, patience) {
            Ok(outcome) => eprintln!("{outcome}"),
            Err(error) => eprintln!("not opened: {error}"),
        });
    }
}

/// A connection from its first byte to its last. Returns how it ended; an error if it was never open.
pub fn serve(socket: TcpStream, config: Arc<ServerConfig>, patience: Patience) -> io::Result<Outcome> {
    socket.set_nodelay(true)?;
    let mut stream = Stream::new(TlsConnection::new(config).map_err(io::Error::other)?, Timed::new(socket));
    let origin = Instant::now();
    let now = || origin.elapsed();
    let mut watch = Watch::new(patience, now());
    // One deadline for the handshakes of TLS and of the WebSocket.
    stream.sock.allow(watch.check_opening(now())?);
    let served = match open(&mut stream) {
        Ok(mut connection) => match talk(&mut stream, &mut connection, &mut watch, now) {
            Ok(()) => Ok(connection.outcome()),
            Err(timed_out) => return Ok(connection.outcome().or_timed_out(timed_out)),
        },
        Err(error) if error.kind() == ErrorKind::TimedOut => return Err(TimedOut::Opening.into()),
        Err(error) => Err(error),
    };
    if let Ok(wait) = watch.check_end(now()) {
        stream.sock.allow(wait);
        stream.conn.send_close_notify();
        let _ = stream.flush();
        stream.sock.linger();
    }
    served
}

/// Both handshakes: that of TLS, and that of the WebSocket.
fn open(stream: &mut Stream) -> io::Result<ServerConnection> {
    stream.conn.complete_io(&mut stream.sock)?;
    let mut handshake = server::Handshake::new(Config::new());
    // Single bytes, so that the bytes behind the request stay in TLS.
    let mut byte = [0];
    loop {
        match stream.read_exact(&mut byte) {
            Ok(_) if !handshake.read(&mut Input::new(&mut byte)) => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            // The request, or the end of the stream: the handshake knows what is missing.
            _ => break,
        }
    }
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok(upgrade.accept(&server::Accept::new())?),
        Err(refusal) => {
            let mut response = Vec::new();
            refusal.response().write(&mut response)?;
            stream.write_all(&response)?;
            Err(refusal.into())
        }
    }
}

/// An open connection, and its closing handshake.
fn talk(
    stream: &mut Stream,
    connection: &mut ServerConnection,
    watch: &mut Watch,
    now: impl Fn() -> Duration,
) -> Result<(), TimedOut> {
    let Connection { receiver: rx, sender: tx } = connection;
    let mut buffer = ReadBuffer::new(vec![0; RECORD]);
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
            // With a `close_notify` or without: whether this is a loss, only a Close of the peer can tell.
            _ => return Ok(()),
        };
        watch.heard(now());
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Event::Pong(payload) = event {
                watch.pong(payload, now());
            } else if let Some(message) = event.message()
                && tx.send(message).is_err()
            {
                // There is no memory for it. If it is refused because a Close was sent, this changes nothing.
                let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
            }
        }
    }
}
