//! A connection of an echo server, from its first byte to its last, with a deadline for each step.
//!
//! A turn of the loop has one `await`: it writes, or reads if there is nothing to write. So the answers to one read always
//! fit the output, and a peer that does not read its answers is not read either.
//!
//! The receiver uses the bytes where the stack has put them. So reads need no buffer, and bytes that follow the request
//! stay in the socket.

use core::{future::Future, time::Duration};

use embassy_net::tcp::{AcceptError, Error as Lost, TcpSocket};
use embassy_time::{Duration as Ticks, Instant, Timer, with_timeout};
use websocket_proto::{
    CloseCode, Config, Connection, Ended, Error, FixedStorage, Input, Outcome, Server, Transport, server,
    time::{Patience, TimedOut, Watch},
};

/// What the output holds beside a message and the answers to one read: headers, a Ping, and 127 bytes that are kept free
/// for a Close.
const BESIDE: usize = 256;

/// How long a client may take to answer the packet that accepts it.
const HALF_OPEN: Ticks = Ticks::from_secs(10);

/// The stack acknowledges the end of the peer's half up to 10 ms later, unless the socket accepts again before.
const LAST_ACK: Ticks = Ticks::from_millis(20);

/// How long the last packet may take to leave.
const RESET: Duration = Duration::from_secs(1);

type Lent<'m> = FixedStorage<&'m mut [u8]>;
type Open<'m> = Connection<Server, Lent<'m>, Lent<'m>>;

/// Waits for a client and serves it. Returns how the connection ended; then the socket is free for the next one.
///
/// `input` holds the request, then a message that arrives in pieces. `output` holds what must be written. It should be
/// larger than `input` by what the socket can receive and 256 bytes; if not, only smaller messages are accepted.
///
/// # Errors
///
/// The port is 0, or the socket is in use.
pub async fn serve(
    socket: &mut TcpSocket<'_>,
    port: u16,
    patience: Patience,
    input: &mut [u8],
    output: &mut [u8],
) -> Result<Outcome, AcceptError> {
    // The stack has no limit of its own. This one would also end connections that are only silent.
    socket.set_timeout(Some(HALF_OPEN));
    socket.accept(port).await?;
    socket.set_timeout(None);
    let mut watch = Watch::new(patience, now());
    // Every write is whole messages: waiting for more would only delay them.
    socket.set_nagle_enabled(false);
    let outcome = match open(socket, &mut watch, input, output).await {
        Ok(mut connection) => {
            let talked = talk(socket, &mut watch, &mut connection).await;
            connection.outcome().or_timed_out(talked.err())
        }
        Err(error) => error.into(),
    };
    let is_gone = matches!(outcome.ended(), Ended::TimedOut(_));
    if is_gone || end(socket, &mut watch).await.is_err() {
        // Else the stack would go on to send, for ever.
        socket.abort();
        let _ = within(Some(RESET), socket.flush()).await;
    }
    Ok(outcome)
}

/// The opening handshake. The response is the first output of the connection.
async fn open<'m>(
    socket: &mut TcpSocket<'_>,
    watch: &mut Watch,
    input: &'m mut [u8],
    output: &'m mut [u8],
) -> Result<Open<'m>, Error> {
    let largest = output.len().saturating_sub(socket.recv_capacity() + BESIDE);
    let config = Config::new().max_message(largest as u64);
    let mut handshake = server::Handshake::with_storage(config, FixedStorage::new(input), FixedStorage::new(output));
    let mut read = |bytes: &mut [u8]| {
        let mut input = Input::new(bytes);
        let is_done = handshake.read(&mut input);
        let rest = input.remaining().len();
        (bytes.len() - rest, is_done)
    };
    // An error is the end of the stream: then `into_request` says what is missing.
    let head = async { while let Ok(false) = socket.read_with(&mut read).await {} };
    // The deadline does not move, so one wait is enough.
    within(watch.check_opening(now())?, head).await.ok_or(TimedOut::Opening)?;
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok(upgrade.accept(&server::Accept::new())?),
        Err(refusal) => {
            let mut response = FixedStorage::new([0; 256]);
            refusal.response().write(&mut response)?;
            // A fresh socket has space for it.
            let _ = within(Some(RESET), socket.write(response.as_slice())).await;
            Err(refusal.into())
        }
    }
}

/// An open connection, and its closing handshake.
async fn talk(socket: &mut TcpSocket<'_>, watch: &mut Watch, connection: &mut Open<'_>) -> Result<(), TimedOut> {
    loop {
        let tx = &mut connection.sender;
        let wait = watch.check(tx, now())?;
        if !tx.is_empty() {
            match within(wait, socket.write(tx.pending())).await {
                Some(Ok(n)) => {
                    tx.consume(n);
                    watch.wrote(n, tx.backlog(), now());
                }
                // The connection was reset. What has arrived before can still be read: perhaps a Close.
                Some(Err(_)) => {
                    tx.transport_lost();
                    while echo(socket, watch, connection).await.is_ok() {}
                    return Ok(());
                }
                None => {}
            }
        } else if tx.transport() == Transport::CloseNow {
            return Ok(());
        } else if let Some(Err(_)) = within(wait, echo(socket, watch, connection)).await {
            return Ok(());
        }
    }
}

/// Waits for bytes and answers them. Pings and Closes are answered already, and a failure is explained to the peer.
///
/// An error is the end of the stream, or a reset. The connection knows whether there was a Close.
async fn echo(socket: &mut TcpSocket<'_>, watch: &mut Watch, connection: &mut Open<'_>) -> Result<(), Lost> {
    let Connection { receiver: rx, sender: tx } = connection;
    let answer = |bytes: &mut [u8]| {
        watch.heard(now());
        let mut input = Input::new(bytes);
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Some(message) = event.message()
                && tx.send(message).is_err()
            {
                // It does not fit. If it is refused because a Close was sent, this changes nothing.
                let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
            }
        }
        (bytes.len(), ())
    };
    socket.read_with(answer).await
}

/// Ends our half of the stream, and reads the other half to its end: else a reset could overtake the Close frame.
async fn end(socket: &mut TcpSocket<'_>, watch: &mut Watch) -> Result<(), TimedOut> {
    socket.close();
    let ended = async {
        while socket.read_with(|rest| (rest.len(), ())).await.is_ok() {}
        let _ = socket.flush().await;
        Timer::after(LAST_ACK).await;
    };
    within(watch.check_end(now())?, ended).await.ok_or(TimedOut::End)
}

/// What the watch takes for the time.
fn now() -> Duration {
    Duration::from_micros(Instant::now().as_micros())
}

/// Waits no longer than this. What was received counts before what is due: the future is polled first.
async fn within<F: Future>(wait: Option<Duration>, future: F) -> Option<F::Output> {
    match wait.and_then(|wait| wait.try_into().ok()) {
        Some(wait) => with_timeout(wait, future).await.ok(),
        None => Some(future.await),
    }
}
