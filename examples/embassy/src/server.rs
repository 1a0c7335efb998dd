//! A connection of an echo server, from its first byte to its last, with a deadline for each step.
//!
//! A turn of the loop has one `await`: it writes, or reads if there is nothing to write. So the answers to one read
//! always fit the output, and a peer that does not read its answers is not read either.
//!
//! The receiver uses the bytes where the stack has put them. So reads need no buffer, and bytes that follow the request
//! stay in the socket.

use embassy_futures::poll_once;
use embassy_net::tcp::{AcceptError, Error as Lost, TcpSocket};
use embassy_time::Duration;
use websocket_proto::{
    CloseCode, Config, Connection, Error, FixedStorage, Input, Outcome, Server, Transport, server,
    time::{Patience, TimedOut, Watch},
};

use crate::stream::{Lent, end, now, read_head, within, write};

/// What the output holds beside a message and the answers to one read: headers, a Ping, and 127 bytes that are kept
/// free for a Close.
const BESIDE: usize = 256;

/// How long a client may take to complete the handshake of TCP.
const HALF_OPEN: Duration = Duration::from_secs(10);

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
    // Every write is whole messages: waiting for more would only delay them.
    socket.set_nagle_enabled(false);
    let mut watch = Watch::new(patience, now());
    let outcome = match open(socket, &mut watch, input, output).await {
        Ok(mut connection) => {
            let talked = talk(socket, &mut watch, &mut connection).await;
            connection.outcome().or_timed_out(talked.err())
        }
        Err(error) => error.into(),
    };
    end(socket, &mut watch, &outcome).await;
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
    // The deadline does not move, so one wait is enough.
    let wait = watch.check_opening(now())?;
    let _ = within(wait, read_head(socket, |input| handshake.read(input))).await.ok_or(TimedOut::Opening)?;
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok(upgrade.accept(&server::Accept::new())?),
        Err(refusal) => {
            let mut response = FixedStorage::new([0; 256]);
            refusal.response().write(&mut response)?;
            // A fresh socket has space for it. Without `await`, the future has none for the response.
            let _ = poll_once(socket.write(response.as_slice()));
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
            if write(socket, watch, tx, wait).await.is_err() {
                // What has arrived before the reset can still be read: perhaps a Close.
                tx.transport_lost();
                while echo(socket, watch, connection).await.is_ok() {}
                return Ok(());
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
