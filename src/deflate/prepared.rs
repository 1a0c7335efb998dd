use alloc::{string::String, vec::Vec};
use std::sync::OnceLock;

use super::{Config, Deflater, WindowBits};
use crate::{Kind, Message, SendError};

/// A message that is sent to many connections, and compressed at most once for all of them.
///
/// Send it with [`Sender::send_prepared`](crate::Sender::send_prepared). Tasks can share it as an `Arc<Prepared>`.
///
/// A connection without compression sends the message uncompressed. All connections with the largest window send the
/// same compressed form, which refers to no earlier message. A connection with context takeover then resets its
/// context, because the shared form was made by another compressor. A connection with a smaller window compresses the
/// message itself.
///
/// ```
/// # use websocket_proto::{Sender, SendError, Server};
/// use websocket_proto::deflate::Prepared;
///
/// fn tell_all(senders: &mut [Sender<Server, Vec<u8>>], news: &str) -> Result<(), SendError> {
///     let news = Prepared::new(news);
///     senders.iter_mut().try_for_each(|sender| sender.send_prepared(&news))
/// }
/// ```
#[derive(Debug)]
pub struct Prepared {
    message: Owned,
    /// `None` if it is not shorter, unless the first connection that asked compresses all messages.
    packed: OnceLock<Option<Vec<u8>>>,
}

#[derive(Debug)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
}

impl Prepared {
    /// Copies the message.
    ///
    /// It is compressed when the first connection needs the compressed form. Aborts if memory is out, as `Vec` does.
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = match message.into() {
            Message::Text(text) => Owned::Text(text.into()),
            Message::Binary(bytes) => Owned::Binary(bytes.into()),
        };
        Self { message, packed: OnceLock::new() }
    }

    /// Copies the message, for programs that survive a lack of memory: see [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`SendError::OutOfMemory`] if there is no memory for the copy.
    pub fn try_new<'m>(message: impl Into<Message<'m>>) -> Result<Self, SendError> {
        let message = match message.into() {
            Message::Text(text) => {
                let mut copy = String::new();
                copy.try_reserve_exact(text.len()).map_err(|_| SendError::OutOfMemory)?;
                copy.push_str(text);
                Owned::Text(copy)
            }
            Message::Binary(bytes) => Owned::Binary(try_copy(bytes)?),
        };
        Ok(Self { message, packed: OnceLock::new() })
    }

    /// Returns whether the message is text or binary.
    pub fn kind(&self) -> Kind {
        self.message().kind()
    }

    /// Returns the payload, uncompressed.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.message {
            Owned::Text(text) => text.as_bytes(),
            Owned::Binary(bytes) => bytes,
        }
    }

    /// Returns the length of the compressed form in bytes.
    ///
    /// `None` if no connection has needed the compressed form yet, or if it is not shorter than the message. Only with
    /// a [threshold of 0](super::Config::threshold) can it be longer.
    pub fn compressed_len(&self) -> Option<usize> {
        self.packed.get()?.as_ref().map(Vec::len)
    }

    pub(crate) fn message(&self) -> Message<'_> {
        match &self.message {
            Owned::Text(text) => Message::Text(text),
            Owned::Binary(bytes) => Message::Binary(bytes),
        }
    }

    /// Returns the compressed form, which is made with the settings of the first connection that asks. `None` if it is
    /// not shorter than the message, unless both that connection and this one [compress all
    /// messages](deflate::Config::compresses_all).
    pub(crate) fn packed(&self, wanted: &Config) -> Result<Option<&[u8]>, SendError> {
        let is_wanted = |packed: &&[u8]| wanted.compresses_all() || packed.len() < self.as_bytes().len();
        let packed = match self.packed.get() {
            Some(packed) => packed,
            None => {
                let mut deflater = Deflater::alone(wanted, WindowBits::MAX);
                let packed = Some(deflater.compress(self.as_bytes(), true)?).filter(is_wanted);
                let packed = packed.map(try_copy).transpose()?;
                // Another thread may have been faster.
                self.packed.get_or_init(|| packed)
            }
        };
        Ok(packed.as_deref().filter(is_wanted))
    }
}

fn try_copy(bytes: &[u8]) -> Result<Vec<u8>, SendError> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| SendError::OutOfMemory)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}
