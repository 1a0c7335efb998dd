//! The task that writes.

use std::{sync::atomic::AtomicU64, sync::atomic::Ordering, time::Duration};

use tokio::{io::AsyncWrite, io::AsyncWriteExt, select, sync::mpsc::Receiver, sync::watch, time::Instant, time::sleep};
use websocket_proto::time::{TimedOut, Watch};
use websocket_proto::{CloseCode, OwnedMessage, OwnedReply, Sender, Server, Transport};

/// No message is taken from the channel while so many bytes wait for the stream.
const BACKLOG: usize = 64 << 10;

/// Writes until both ends have closed, until the peer has ended the stream, or until a deadline.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    sender: &mut Sender<Server, Vec<u8>>,
    (replies, mut messages): (&mut Receiver<OwnedReply>, Receiver<OwnedMessage>),
    (watch, heard, clock): (&mut Watch, &AtomicU64, Instant),
    stop: &mut watch::Receiver<()>,
) -> Result<(), TimedOut> {
    let mut ended = false;
    loop {
        watch.heard(Duration::from_nanos(heard.load(Ordering::Relaxed)));
        let wait = watch.check(sender, clock.elapsed())?;
        if !sender.is_open() {
            // Who waits to send learns that it is too late.
            messages.close();
            while messages.try_recv().is_ok() {}
        }
        if sender.is_empty() && (ended && messages.is_empty() || sender.transport() == Transport::CloseNow) {
            return Ok(());
        }
        // It is not `biased`, so that none can starve another. Each of these futures may be dropped while it waits.
        select! {
            // A stream that buffers, such as TLS, must be flushed when nothing is pending.
            written = stream.write(sender.pending()), if !sender.is_empty() => match written {
                Ok(n @ 1..) => { sender.consume(n); watch.wrote(n, sender.backlog(), clock.elapsed()) }
                // The reader goes on: a Close that says why may have arrived.
                _ => sender.transport_lost(),
            },
            reply = replies.recv(), if !ended => match reply {
                Some(pong) if pong.is_pong() => sender.reply(&pong),
                Some(close) => { send_all(&mut messages, sender); sender.reply(&close) }
                // The reader has ended. Perhaps the peer has ended only its half, and waits for what it has asked for.
                None => { ended = true; messages.close() }
            },
            Some(message) = messages.recv(), if sender.backlog() < BACKLOG => {
                let close = send_pongs(replies, sender);
                // If it fails, there is no memory for it.
                if sender.send(&message).is_err() { _ = sender.close(CloseCode::INTERNAL_ERROR, "") }
                if let Some(close) = close { send_all(&mut messages, sender); sender.reply(&close) }
            }
            _ = stop.changed(), if sender.is_open() => {
                send_all(&mut messages, sender);
                _ = sender.close(CloseCode::GOING_AWAY, "");
            }
            () = sleep(wait.unwrap_or(Duration::MAX)) => {}
        }
    }
}

/// Sends the Pongs to the Pings in front of a message, so that the message does not overtake them. Returns the Close
/// that is behind it, if there is one.
fn send_pongs(replies: &mut Receiver<OwnedReply>, sender: &mut Sender<Server, Vec<u8>>) -> Option<OwnedReply> {
    while let Ok(reply) = replies.try_recv() {
        if !reply.is_pong() {
            return Some(reply);
        }
        sender.reply(&reply);
    }
    None
}

/// Sends the messages in front of a Close. If there is no space for all, the peer does not read, and the rest is lost.
fn send_all(messages: &mut Receiver<OwnedMessage>, sender: &mut Sender<Server, Vec<u8>>) {
    while messages.try_recv().is_ok_and(|message| sender.send(&message).is_ok()) {}
}
