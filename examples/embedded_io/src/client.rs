//! A client that asks, waits for each answer, and closes, over an asynchronous transport.

use embedded_io_async::{Error, ErrorKind, Read, Write};
use websocket_proto::{
    Client, Config, Connection, Event, FixedStorage, Input, Randomness, Sender, Storage, Transport, Uri, client,
    frame::CloseCode,
};

use crate::room::{Failed, Room};

/// Asks one question after the other, and passes each answer to `hear`.
pub async fn ask<T: Read + Write>(
    socket: &mut T,
    room: &mut Room,
    uri: Uri<'_>,
    random: impl Randomness,
    questions: &[&str],
    mut hear: impl FnMut(&str),
) -> Result<(), Failed<T::Error>> {
    let Room { read, input, output } = room;
    let mut handshake = client::Handshake::with_storage(
        Config::new(),
        &client::Request::new(uri),
        random,
        FixedStorage::new(&mut input[..]),
        FixedStorage::new(&mut output[..]),
    )
    .map_err(|_| Failed::Room)?;
    write(socket, handshake.pending()).await?;
    let mut input = loop {
        let count = receive(socket, read).await?;
        let mut input = Input::new(&mut read[..count]);
        if handshake.read(&mut input) || count == 0 {
            break input;
        }
    };
    let response = handshake.into_response().map_err(Failed::Head)?;
    let connection = response.upgrade().map_err(Failed::Response)?;

    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let mut questions = questions.iter();
    let mut outcome = Err(Failed::Lost);
    next(&mut tx, questions.next())?;
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            match event {
                Event::Text(answer) => {
                    hear(answer);
                    next(&mut tx, questions.next())?;
                }
                Event::Close { .. } => outcome = Ok(()),
                Event::Failed(failure) => outcome = Err(Failed::Peer(failure)),
                _ => {}
            }
        }
        write(socket, tx.pending()).await?;
        tx.consume(usize::MAX);
        if tx.transport() == Transport::CloseNow {
            return outcome;
        }
        let count = receive(socket, read).await?;
        if count == 0 {
            // After both Closes the server ends the stream.
            return outcome;
        }
        input = Input::new(&mut read[..count]);
    }
}

/// Reads at least one byte; nothing at the end of the stream.
async fn receive<T: Read>(socket: &mut T, buf: &mut [u8]) -> Result<usize, Failed<T::Error>> {
    loop {
        match socket.read(buf).await {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(Failed::Transport),
        }
    }
}

/// Writes all bytes. The trait's `write_all` would panic when the transport takes nothing.
async fn write<T: Write>(socket: &mut T, mut bytes: &[u8]) -> Result<(), Failed<T::Error>> {
    while !bytes.is_empty() {
        match socket.write(bytes).await {
            Ok(0) => return Err(Failed::Lost),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::Transport(error)),
        }
    }
    socket.flush().await.map_err(Failed::Transport)
}

/// Asks the next question, or closes when there is none.
fn next<K: Randomness, S: Storage, E>(tx: &mut Sender<Client<K>, S>, question: Option<&&str>) -> Result<(), Failed<E>> {
    match question {
        Some(question) => tx.send_text(question).map_err(Failed::Send),
        None => {
            // The server may have closed first.
            let _ = tx.close(CloseCode::NORMAL, "no more questions");
            Ok(())
        }
    }
}
