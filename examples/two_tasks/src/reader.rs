//! The task that reads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
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
use websocket_proto::{OwnedMessage, OwnedReply, ReadBuffer, Receiver, Reply, Server, UncleanEnd};

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
    let (mut buffer, mut held) = (ReadBuffer::new(vec![0; 32 << 10]), None);
    loop {
        let n = select! {
            read = stream.read(buffer.room_for(&mut receiver)) => read.unwrap_or(0),
            permit = replies.reserve(), if held.is_some() => {
                // It fails if the writer has ended: then nobody is owed a reply.
                if let (Ok(permit), Some(reply)) = (permit, held.take()) {
                    permit.send(reply);
                }
                continue;
            }
            _ = &mut over => 0,
        };
        if n == 0 {
            break;
        }
        heard.store(clock.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let mut input = buffer.received(n);
        // What finds the channel full is held: the newest Pong, because the earlier ones are no longer owed (RFC 6455
        // §5.5.3), or a Close, which is the last reply.
        let mut reply =
            |reply: Reply<'_>| held = replies.try_send(reply.to_owned()).err().map(TrySendError::into_inner);
        while let Some(event) = receiver.next_message(&mut input, &mut reply) {
            // Your application is here. This one sends every message back.
            if let Some(message) = event.message() {
                // While the channel is full, this waits, and nothing is read. A Pong that is held waits, too: it could
                // not overtake the 64 KiB that wait for the stream then. If it fails, nothing can be sent any more; but
                // what is still to be read may have a Close.
                let _ = messages.send(message.into()).await;
            }
        }
    }
    if let Some(reply) = held {
        let _ = replies.send(reply).await;
    }
    // The writer learns of the end because `replies` is dropped.
    receiver.end_of_input()
}
