//! What both roles need of the stream and of the clock.

use core::{future::Future, time::Duration};

use embassy_net::tcp::{Error, TcpSocket};
use embassy_time::{Duration as Ticks, Instant, Timer, with_timeout};
use websocket_proto::{
    Ended, FixedStorage, Input, Outcome, Role, Sender,
    time::{TimedOut, Watch},
};

/// The stack acknowledges the end of the peer's half up to 10 ms later, unless the socket is in use again before.
const LAST_ACK: Ticks = Ticks::from_millis(20);

/// How long the last packet may take to leave.
const RESET: Duration = Duration::from_secs(1);

/// Memory of the task.
pub(crate) type Lent<'m> = FixedStorage<&'m mut [u8]>;

/// What the watch takes for the time.
pub fn now() -> Duration {
    Duration::from_micros(Instant::now().as_micros())
}

/// Waits no longer than this. What was received counts before what is due: the future is polled first.
pub async fn within<F: Future>(wait: Option<Duration>, future: F) -> Option<F::Output> {
    match wait.and_then(|wait| wait.try_into().ok()) {
        Some(wait) => with_timeout(wait, future).await.ok(),
        None => Some(future.await),
    }
}

/// Reads the head of a handshake, and no byte more. An error is the end of the stream, or a reset: the handshake knows
/// what is missing.
pub(crate) async fn read_head(
    socket: &mut TcpSocket<'_>,
    mut read: impl FnMut(&mut Input<'_>) -> bool,
) -> Result<(), Error> {
    let mut take = |bytes: &mut [u8]| {
        let len = bytes.len();
        let mut input = Input::new(bytes);
        let is_done = read(&mut input);
        (len - input.remaining().len(), is_done)
    };
    while !socket.read_with(&mut take).await? {}
    Ok(())
}

/// Writes what the socket takes within this time. An error is a reset.
pub(crate) async fn write<R: Role>(
    socket: &mut TcpSocket<'_>,
    watch: &mut Watch,
    tx: &mut Sender<R, Lent<'_>>,
    wait: Option<Duration>,
) -> Result<(), Error> {
    if let Some(written) = within(wait, socket.write(tx.pending())).await {
        let count = written?;
        tx.consume(count);
        watch.wrote(count, tx.backlog(), now());
    }
    Ok(())
}

/// Ends the stream, so that the socket is free again. A peer that is gone, or does not end its half, is reset: the
/// stack itself would go on to send for ever.
pub(crate) async fn end(socket: &mut TcpSocket<'_>, watch: &mut Watch, outcome: &Outcome) {
    let is_gone = matches!(outcome.ended(), Ended::TimedOut(_));
    if is_gone || shut_down(socket, watch).await.is_err() {
        socket.abort();
        let _ = within(Some(RESET), socket.flush()).await;
    }
}

/// Ends our half of the stream, and reads the other half to its end: else a reset could overtake the Close frame.
async fn shut_down(socket: &mut TcpSocket<'_>, watch: &mut Watch) -> Result<(), TimedOut> {
    socket.close();
    let ended = async {
        while socket.read_with(|rest| (rest.len(), ())).await.is_ok() {}
        let _ = socket.flush().await;
        Timer::after(LAST_ACK).await;
    };
    within(watch.check_end(now())?, ended).await.ok_or(TimedOut::End)
}
