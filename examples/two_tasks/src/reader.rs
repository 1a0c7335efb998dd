//! The task that reads.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    select,
    sync::{
        mpsc::{Sender, error::TrySendError},
        oneshot,
    },
    time::Instant,
};
use websocket_proto::{OwnedMessage, OwnedReply, ReadBuffer, Receiver, Replies, Reply, Server, UncleanEnd};

/// The reader's ends of the channels to the writer.
pub(crate) struct ToWriter {
    pub(crate) replies: Sender<OwnedReply>,
    pub(crate) messages: Sender<OwnedMessage>,
    /// When something was read, in nanoseconds since `clock`. A coarser unit could make an answer look older than its Ping.
    pub(crate) heard: Arc<AtomicU64>,
    pub(crate) clock: Instant,
}

/// Reads and handles messages until the end of the stream, or until the other end of `over` is dropped.
pub(crate) async fn read(
    mut stream: impl AsyncRead + Unpin,
    mut receiver: Receiver<Server, Vec<u8>>,
    ToWriter { replies, messages, heard, clock }: ToWriter,
    mut over: oneshot::Receiver<()>,
) -> Result<(), UncleanEnd> {
    let (mut buffer, mut replies) = (ReadBuffer::new(vec![0; 32 << 10]), ReplyQueue { channel: replies, held: None });
    loop {
        let n = select! {
            read = stream.read(buffer.room_for(&mut receiver)) => read.unwrap_or(0),
            () = replies.send_held() => continue,
            _ = &mut over => 0,
        };
        if n == 0 {
            break;
        }
        heard.store(clock.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let mut input = buffer.received(n);
        while let Some(event) = receiver.next_message(&mut input, &mut replies) {
            // Your application is here. This one sends every message back.
            let Some(message) = event.message() else { continue };
            // While the channel is full, this waits, and nothing more is read. Replies don't wait.
            let permit = loop {
                select! {
                    permit = messages.reserve() => break permit,
                    () = replies.send_held() => {}
                }
            };
            // If it fails, nothing can be sent any more. What is still to be read may have a Close.
            if let Ok(permit) = permit {
                permit.send(message.into());
            }
        }
    }
    if replies.held.is_some() {
        replies.send_held().await;
    }
    // The writer learns of the end because `replies` is dropped.
    receiver.end_of_input()
}

/// The replies on their way to the writer. They never wait: what finds the channel full is held. That is the newest Pong,
/// because the earlier ones are no longer owed (RFC 6455 §5.5.3), or a Close, which is the last reply.
struct ReplyQueue {
    channel: Sender<OwnedReply>,
    held: Option<OwnedReply>,
}

impl Replies for ReplyQueue {
    fn reply(&mut self, reply: Reply<'_>) {
        self.held = self.channel.try_send(reply.to_owned()).err().map(TrySendError::into_inner);
    }
}

impl ReplyQueue {
    /// Sends the reply that is held when there is space for it; never ready if none is held. May be dropped while it
    /// waits.
    async fn send_held(&mut self) {
        let permit = if self.held.is_some() { self.channel.reserve().await } else { pending().await };
        // If the writer has ended, nobody is owed a reply.
        if let (Some(reply), Ok(permit)) = (self.held.take(), permit) {
            permit.send(reply);
        }
    }
}
