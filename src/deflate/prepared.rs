use alloc::{string::String, vec::Vec};
use std::sync::OnceLock;

use super::{Deflate, Deflater, WindowBits};
use crate::{Kind, Message, SendError};

/// A message that is sent to many connections, and compressed at most once for all of them.
///
/// Give it to [`Sender::send_prepared`](crate::Sender::send_prepared); tasks share it as an `Arc<Prepared>`. Connections without compression
/// get it as it is. Those whose window is the largest share one compressed form, which refers to nothing that was sent before; one that remembers
/// messages forgets them, because the shared form is none of its compressor's. For a smaller window the message is
/// compressed anew.
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
    /// `None` when it is not shorter, unless the first connection that asked wants it anyway.
    packed: OnceLock<Option<Vec<u8>>>,
}

#[derive(Debug)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
}

impl Prepared {
    /// Copies the message; nothing is compressed before it is needed. Aborts when memory is out, as `Vec` does.
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = match message.into() {
            Message::Text(text) => Owned::Text(text.into()),
            Message::Binary(bytes) => Owned::Binary(bytes.into()),
        };
        Self { message, packed: OnceLock::new() }
    }

    /// As [`new`](Self::new), for programs that survive a lack of memory.
    ///
    /// # Errors
    ///
    /// [`SendError::OutOfMemory`], when there is none for the copy.
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

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.message().kind()
    }

    /// The payload as it is.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.message {
            Owned::Text(text) => text.as_bytes(),
            Owned::Binary(bytes) => bytes,
        }
    }

    /// How many bytes it has when compressed; `None` when nobody has needed that, or it is not worth it. Only with a
    /// [threshold of 0](Deflate::threshold) can these be more bytes than the message has.
    pub fn compressed_len(&self) -> Option<usize> {
        self.packed.get()?.as_ref().map(Vec::len)
    }

    pub(crate) fn message(&self) -> Message<'_> {
        match &self.message {
            Owned::Text(text) => Message::Text(text),
            Owned::Binary(bytes) => Message::Binary(bytes),
        }
    }

    /// The compressed form, made with the settings of the first connection that asks. `None` when it is not shorter
    /// than the message, unless both that connection and this one [compress all messages](Deflate::compresses_all).
    pub(crate) fn packed(&self, wanted: &Deflate) -> Result<Option<&[u8]>, SendError> {
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
