//! A server that repeats every message, over a transport that blocks: a serial line, a TCP stack that waits by itself.

use embedded_io::{Error, ErrorKind, Read, Write};
use websocket_proto::{
    Config, Connection, Event, FixedStorage, Input, Message, SendError, Sender, Server, Storage, Transport, server,
};

use crate::room::{Failed, Room};

/// The largest message: it must also fit the output, behind its header and beside the 127 bytes that are kept free for
/// a Close.
const LARGEST: u64 = 512 - 4 - 127;

/// Serves one client until it closes.
pub fn serve<T: Read + Write>(socket: &mut T, room: &mut Room) -> Result<(), Failed<T::Error>> {
    let Room { read, input, output } = room;
    let mut handshake = server::Handshake::with_storage(
        Config::new().max_message(LARGEST),
        FixedStorage::new(&mut input[..]),
        FixedStorage::new(&mut output[..]),
    );
    let mut input = loop {
        let count = receive(socket, read)?;
        let mut input = Input::new(&mut read[..count]);
        if handshake.read(&mut input) || count == 0 {
            break input;
        }
    };
    let upgrade = match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => upgrade,
        Err(refusal) => {
            let mut response = FixedStorage::new([0; 256]);
            let _ = refusal.response().write(&mut response);
            write(socket, response.as_slice())?;
            return Err(Failed::Request(refusal));
        }
    };
    let connection = upgrade.accept(&server::Accept::new()).map_err(|_| Failed::Room)?;

    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let mut outcome = Err(Failed::Lost);
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            match event {
                Event::Text(text) => send(socket, &mut tx, Message::Text(text))?,
                Event::Binary(bytes) => send(socket, &mut tx, Message::Binary(bytes))?,
                // Both were answered already.
                Event::Ping(_) => {}
                Event::Close { .. } => outcome = Ok(()),
                Event::Failed(failure) => outcome = Err(Failed::Peer(failure)),
                _ => {}
            }
        }
        flush(socket, &mut tx)?;
        if tx.transport() == Transport::CloseNow {
            return outcome;
        }
        let count = receive(socket, read)?;
        if count == 0 {
            return outcome;
        }
        input = Input::new(&mut read[..count]);
    }
}

/// If the output has too little free space, pending bytes are written first.
fn send<T: Write, S: Storage>(
    socket: &mut T,
    tx: &mut Sender<Server, S>,
    message: Message<'_>,
) -> Result<(), Failed<T::Error>> {
    match tx.send(message) {
        Err(SendError::Backlog { .. }) => {
            flush(socket, tx)?;
            tx.send(message).map_err(Failed::Send)
        }
        sent => sent.map_err(Failed::Send),
    }
}

fn flush<T: Write, S: Storage>(socket: &mut T, tx: &mut Sender<Server, S>) -> Result<(), Failed<T::Error>> {
    write(socket, tx.pending())?;
    tx.consume(usize::MAX);
    Ok(())
}

/// Reads at least one byte; nothing at the end of the stream.
fn receive<T: Read>(socket: &mut T, buf: &mut [u8]) -> Result<usize, Failed<T::Error>> {
    loop {
        match socket.read(buf) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(Failed::Transport),
        }
    }
}

/// Writes all bytes. The trait's `write_all` would panic when the transport takes nothing.
fn write<T: Write>(socket: &mut T, mut bytes: &[u8]) -> Result<(), Failed<T::Error>> {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(0) => return Err(Failed::Lost),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::Transport(error)),
        }
    }
    socket.flush().map_err(Failed::Transport)
}
