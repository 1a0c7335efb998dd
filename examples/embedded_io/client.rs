//! A client that asks, waits for each answer, and closes, over a transport that an executor waits for.

use embedded_io_async::{Read, Write};
use websocket_proto::{
    Client, Config, Connection, Event, FixedStorage, Input, Randomness, Sender, Storage, Transport, Uri, client,
    frame::CloseCode,
};

use crate::room::{Failed, Room};

/// Asks one question after the other, and gives `hear` what is answered to each.
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
    socket.write_all(handshake.pending()).await.map_err(Failed::Transport)?;
    socket.flush().await.map_err(Failed::Transport)?;
    let mut input = loop {
        let count = socket.read(&mut read[..]).await.map_err(Failed::Transport)?;
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
        while !tx.is_empty() {
            let count = socket.write(tx.pending()).await.map_err(Failed::Transport)?;
            tx.consume(count);
        }
        socket.flush().await.map_err(Failed::Transport)?;
        if tx.transport() == Transport::CloseNow {
            return outcome;
        }
        let count = socket.read(&mut read[..]).await.map_err(Failed::Transport)?;
        if count == 0 {
            // After both have closed it is the server that ends the stream.
            return outcome;
        }
        input = Input::new(&mut read[..count]);
    }
}

/// Asks the next question, or closes when there is none.
fn next<K: Randomness, S: Storage, E>(tx: &mut Sender<Client<K>, S>, question: Option<&&str>) -> Result<(), Failed<E>> {
    match question {
        Some(question) => tx.send_text(question).map_err(Failed::Send),
        None => {
            // It may have closed before us.
            let _ = tx.close(CloseCode::NORMAL, "no more questions");
            Ok(())
        }
    }
}
