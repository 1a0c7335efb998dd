//! A connection of a client that sends readings when it has some, and hears what the server sends.
//!
//! The loop is that of the server, but where it waits for bytes it waits for a reading, too. At this point nothing is
//! pending, so the reading fits the output.

use core::future::pending;

use embassy_futures::select::{Either, select};
use embassy_net::{
    IpEndpoint,
    tcp::{Error as Lost, TcpSocket},
};
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, channel::Channel};
use websocket_proto::{
    Client, CloseCode, Config, Connection, FixedStorage, Input, Message, Outcome, Randomness, Transport, client,
    time::{Backoff, Patience, TimedOut, Watch},
};

use crate::stream::{Lent, end, now, read_head, within, write};

/// What other tasks have to say. `None` closes the connection.
pub type Readings = Channel<CriticalSectionRawMutex, Option<u32>, 4>;

type Open<'m, K> = Connection<Client<K>, Lent<'m>, Lent<'m>>;

/// A server, and what the client asks it for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where it listens.
    pub address: IpEndpoint,
    /// The request of the opening handshake.
    pub request: client::Request<'a>,
    /// How long it may take over each step.
    pub patience: Patience,
}

/// Connects, and returns how the connection ended. Then the socket is free again.
///
/// `input` holds the response, then a message that arrives in pieces. `output` holds what must be written.
pub async fn run(
    socket: &mut TcpSocket<'_>,
    target: &Target<'_>,
    random: impl Randomness,
    (input, output): (&mut [u8], &mut [u8]),
    backoff: &mut Backoff,
    readings: &Readings,
    mut hear: impl FnMut(Message<'_>),
) -> Outcome {
    // Every write is whole messages: waiting for more would only delay them.
    socket.set_nagle_enabled(false);
    let mut watch = Watch::new(target.patience, now());
    let opened = match watch.check_opening(now()) {
        Ok(wait) => within(wait, open(socket, target, random, input, output)).await,
        Err(_) => None,
    };
    let outcome = match opened {
        Some(Ok(mut connection)) => {
            backoff.up(now());
            let talked = talk(socket, &mut watch, &mut connection, readings, &mut hear).await;
            connection.outcome().or_timed_out(talked.err())
        }
        Some(Err(outcome)) => outcome,
        None => TimedOut::Opening.into(),
    };
    end(socket, &mut watch, &outcome).await;
    outcome
}

/// The handshakes of TCP and of the connection.
async fn open<'m, K: Randomness>(
    socket: &mut TcpSocket<'_>,
    target: &Target<'_>,
    random: K,
    input: &'m mut [u8],
    output: &'m mut [u8],
) -> Result<Open<'m, K>, Outcome> {
    let (input, output) = (FixedStorage::new(input), FixedStorage::new(output));
    let mut handshake = client::Handshake::with_storage(Config::new(), &target.request, random, input, output)?;
    socket.connect(target.address).await.map_err(|_| Outcome::not_connected())?;
    while let pending = handshake.pending()
        && !pending.is_empty()
    {
        let count = socket.write(pending).await.map_err(|_| Outcome::not_connected())?;
        handshake.consume(count);
    }
    let _ = read_head(socket, |input| handshake.read(input)).await;
    let response = handshake.into_response()?;
    // It knows when to come back; the error of `upgrade` does not.
    response.outcome().map_or(Ok(()), Err)?;
    Ok(response.upgrade()?)
}

/// An open connection, and its closing handshake.
async fn talk<K: Randomness>(
    socket: &mut TcpSocket<'_>,
    watch: &mut Watch,
    connection: &mut Open<'_, K>,
    readings: &Readings,
    hear: &mut impl FnMut(Message<'_>),
) -> Result<(), TimedOut> {
    loop {
        let tx = &mut connection.sender;
        let wait = watch.check(tx, now())?;
        if !tx.is_empty() {
            if write(socket, watch, tx, wait).await.is_err() {
                tx.transport_lost();
                while listen(socket, watch, connection, hear).await.is_ok() {}
                return Ok(());
            }
            continue;
        }
        if tx.transport() == Transport::CloseNow {
            return Ok(());
        }
        let is_open = tx.is_open();
        let reading = async { if is_open { readings.receive().await } else { pending().await } };
        match within(wait, select(listen(socket, watch, connection, hear), reading)).await {
            Some(Either::First(Ok(()))) | None => {}
            Some(Either::First(Err(_))) => return Ok(()),
            Some(Either::Second(reading)) => {
                let tx = &mut connection.sender;
                // Neither can fail: the connection is open, and nothing is pending.
                let _ = match reading {
                    Some(reading) => tx.send_binary(&reading.to_be_bytes()),
                    None => tx.close(CloseCode::NORMAL, ""),
                };
            }
        }
    }
}

/// Waits for bytes, and passes on the messages in them. An error is the end of the stream, or a reset.
async fn listen<K: Randomness>(
    socket: &mut TcpSocket<'_>,
    watch: &mut Watch,
    connection: &mut Open<'_, K>,
    hear: &mut impl FnMut(Message<'_>),
) -> Result<(), Lost> {
    let Connection { receiver: rx, sender: tx } = connection;
    let take = |bytes: &mut [u8]| {
        watch.heard(now());
        let mut input = Input::new(bytes);
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Some(message) = event.message() {
                hear(message);
            }
        }
        (bytes.len(), ())
    };
    socket.read_with(take).await
}
