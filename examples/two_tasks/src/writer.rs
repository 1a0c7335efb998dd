//! The task that writes.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    select,
    sync::{mpsc::Receiver, watch},
    time::{Instant, sleep},
};
use websocket_proto::{
    CloseCode, OwnedMessage, OwnedReply, Sender, Server, Transport,
    time::{TimedOut, Watch},
};

/// No message is taken from the channel while so many bytes wait for the stream.
const BACKLOG: usize = 64 << 10;

/// What the writer learns from others.
pub(crate) struct Inbox<'a> {
    pub(crate) replies: &'a mut Receiver<OwnedReply>,
    pub(crate) messages: Receiver<OwnedMessage>,
    /// When something was read, in nanoseconds since `clock`. A coarser unit could make an answer look older than its Ping.
    pub(crate) heard: Arc<AtomicU64>,
    pub(crate) clock: Instant,
}

/// Writes until both ends have closed, until the peer has ended the stream, or until a deadline.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    sender: &mut Sender<Server, Vec<u8>>,
    watch: &mut Watch,
    Inbox { replies, mut messages, heard, clock }: Inbox<'_>,
    stop: &mut watch::Receiver<()>,
) -> Result<(), TimedOut> {
    let (mut ended, mut unflushed) = (false, false);
    loop {
        watch.heard(Duration::from_nanos(heard.load(Ordering::Relaxed)));
        let wait = watch.check(sender, clock.elapsed())?;
        if !sender.is_open() {
            // Who waits to send learns that it is too late.
            messages.close();
            while messages.try_recv().is_ok() {}
        }
        unflushed |= !sender.is_empty();
        if !unflushed && (ended && messages.is_empty() || sender.transport() == Transport::CloseNow) {
            return Ok(());
        }
        // It is not `biased`, so that none can starve another. Each of these futures may be dropped while it waits.
        select! {
            written = write_some(stream, sender.pending()), if unflushed => match written {
                Ok(0) => unflushed = false,
                Ok(n) => {
                    sender.consume(n);
                    watch.wrote(n, sender.backlog(), clock.elapsed());
                }
                // The reader goes on: a Close that says why may have arrived.
                Err(_) => {
                    sender.transport_lost();
                    unflushed = false;
                }
            },
            reply = replies.recv(), if !ended => match reply {
                Some(reply) => {
                    if !reply.is_pong() {
                        send_all(&mut messages, sender);
                    }
                    sender.reply(&reply);
                }
                // The reader has ended. Perhaps the peer has ended only its half, and waits for what it has asked for.
                None => {
                    ended = true;
                    messages.close();
                }
            },
            Some(message) = messages.recv(), if sender.backlog() < BACKLOG => {
                let close = send_pongs(replies, sender);
                if sender.send(&message).is_err() {
                    // There is no memory for it.
                    let _ = sender.close(CloseCode::INTERNAL_ERROR, "");
                }
                if let Some(close) = close {
                    send_all(&mut messages, sender);
                    sender.reply(&close);
                }
            }
            _ = stop.changed(), if sender.is_open() => {
                send_all(&mut messages, sender);
                let _ = sender.close(CloseCode::GOING_AWAY, "");
            }
            () = sleep(wait.unwrap_or(Duration::MAX)) => {}
        }
    }
}

/// Sends the Pongs to the Pings in front of a message, so that the message does not overtake them. Returns the Close that
/// is behind it, if there is one.
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

/// Writes what the stream takes, or flushes it when nothing is pending: then it returns 0.
async fn write_some(stream: &mut (impl AsyncWrite + Unpin), pending: &[u8]) -> io::Result<usize> {
    if pending.is_empty() {
        return stream.flush().await.map(|()| 0);
    }
    match stream.write(pending).await? {
        0 => Err(ErrorKind::WriteZero.into()),
        n => Ok(n),
    }
}
