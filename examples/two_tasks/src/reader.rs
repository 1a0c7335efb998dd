//! The task that reads.

use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering};

use tokio::sync::mpsc::{Sender, error::TrySendError};
use tokio::{io::AsyncRead, io::AsyncReadExt, select, time::Instant};
use websocket_proto::{OwnedMessage, OwnedReply, ReadBuffer, Receiver, Reply, Server, UncleanEnd};

/// Reads and handles messages until the end of the stream, or until the receiver of the replies is dropped. `heard` has
/// when something was read, in nanoseconds: in a coarser unit, the answer to a Ping could look older than the Ping.
pub(crate) async fn read(
    mut stream: impl AsyncRead + Unpin,
    mut receiver: Receiver<Server, Vec<u8>>,
    (replies, messages): (Sender<OwnedReply>, Sender<OwnedMessage>),
    (heard, clock): (Arc<AtomicU64>, Instant),
) -> Result<(), UncleanEnd> {
    let (mut buffer, mut held) = (ReadBuffer::new(vec![0; 32 << 10]), None);
    loop {
        let n = select! {
            read = stream.read(buffer.room_for(&mut receiver)) => match read { Ok(n @ 1..) => n, _ => break },
            Ok(permit) = replies.reserve(), if held.is_some() => {
                if let Some(reply) = held.take() { permit.send(reply) }
                continue
            }
            () = replies.closed() => break,
        };
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
