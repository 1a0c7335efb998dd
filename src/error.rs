use core::fmt;

#[cfg(feature = "std")]
use crate::RandomnessError;
use crate::{
    Failure, SendError, UncleanEnd, UriError, client,
    frame::{CloseError, ForbiddenCloseCode, HeaderError},
    head::{HeadError, InvalidHeader},
    proxy, server,
    time::TimedOut,
};

/// Any error of this crate: for functions that end with `?`.
///
/// Each operation of the crate has an error type of its own, which has only the errors that can happen there. `?` turns
/// all of them into this type. The variants say whose fault it is:
///
/// | the fault is | |
/// |-|-|
/// | the peer's | [`Peer`](Self::Peer), [`Head`](Self::Head), [`Refusal`](Self::Refusal), [`Upgrade`](Self::Upgrade), [`Redirect`](Self::Redirect), [`Tunnel`](Self::Tunnel) |
/// | the network's, or the peer's | [`Lost`](Self::Lost), [`TimedOut`](Self::TimedOut) |
/// | the caller's | [`Send`](Self::Send), [`Uri`](Self::Uri), [`Request`](Self::Request), [`ProxyRequest`](Self::ProxyRequest), [`Accept`](Self::Accept), [`Response`](Self::Response), [`CloseCode`](Self::CloseCode), [`Header`](Self::Header), [`ForeignInput`](Self::ForeignInput) |
/// | this machine's | [`OutOfMemory`](Self::OutOfMemory), `Randomness` |
///
/// With `std` all of them turn into an [`io::Error`](std::io::Error) as well, so a function that reads and writes ends
/// with `?`, too.
///
/// ```
/// use websocket_proto::{CloseCode, Connection, Error, Event, Input, ServerConnection};
///
/// /// Answers what was received. The caller then writes what is pending, also after a failure.
/// fn answer(connection: &mut ServerConnection, mut input: Input<'_>) -> Result<(), Error> {
///     let Connection { receiver: rx, sender: tx } = connection;
///     while let Some(event) = rx.next_message(&mut input, tx) {
///         match event {
///             Event::Text("bye") if tx.is_open() => tx.close(CloseCode::NORMAL, "")?,
///             Event::Text(text) if tx.is_open() => tx.send_text(text)?,
///             _ => {}
///         }
///     }
///     Ok(())
/// }
///
/// /// The stream has ended: was that the end of the connection, too?
/// fn ended(connection: &ServerConnection) -> Result<(), Error> {
///     Ok(connection.receiver.end_of_input()?)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol or a limit.
    Peer(Failure),
    /// The bytes from the peer are not the head of an HTTP/1.1 message, or the head is over a limit.
    Head(HeadError),
    /// The client's request is not a valid opening handshake.
    Refusal(server::Refusal),
    /// The server did not open a WebSocket.
    Upgrade(client::UpgradeError),
    /// The server redirects to an address that is not allowed.
    #[cfg(feature = "alloc")]
    Redirect(client::RedirectError),
    /// The proxy did not open a tunnel.
    Tunnel(proxy::TunnelError),
    /// The connection was lost: the stream ended without a Close.
    Lost(UncleanEnd),
    /// The peer was too slow.
    TimedOut(TimedOut),
    /// A message, a Ping, a Pong or a Close was not sent.
    Send(SendError),
    /// A text is not the address of a WebSocket server.
    Uri(UriError),
    /// A client's request can't be sent.
    Request(client::RequestError),
    /// A client's request to a proxy can't be sent.
    ProxyRequest(proxy::RequestError),
    /// A server's acceptance can't be sent.
    Accept(server::AcceptError),
    /// A server's response can't be sent.
    Response(server::ResponseError),
    /// A close code must not be sent.
    CloseCode(ForbiddenCloseCode),
    /// A header can't be sent.
    Header(InvalidHeader),
    /// An input was given to a receiver that it was not read for: see [`Failure::ForeignInput`].
    ForeignInput,
    /// The allocator had no memory.
    OutOfMemory,
    /// The operating system had no randomness.
    #[cfg(feature = "std")]
    Randomness(RandomnessError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Refusal(error) => error.fmt(f),
            Self::Upgrade(error) => error.fmt(f),
            #[cfg(feature = "alloc")]
            Self::Redirect(error) => error.fmt(f),
            Self::Tunnel(error) => error.fmt(f),
            Self::Lost(error) => error.fmt(f),
            Self::TimedOut(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Uri(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::ProxyRequest(error) => error.fmt(f),
            Self::Accept(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
            Self::CloseCode(error) => error.fmt(f),
            Self::Header(error) => error.fmt(f),
            Self::ForeignInput => Failure::ForeignInput.fmt(f),
            Self::OutOfMemory => f.write_str("out of memory"),
            #[cfg(feature = "std")]
            Self::Randomness(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Peer(error) => error,
            Self::Head(error) => error,
            Self::Refusal(error) => error,
            Self::Upgrade(error) => error,
            #[cfg(feature = "alloc")]
            Self::Redirect(error) => error,
            Self::Tunnel(error) => error,
            Self::Lost(error) => error,
            Self::TimedOut(error) => error,
            Self::Send(error) => error,
            Self::Uri(error) => error,
            Self::Request(error) => error,
            Self::ProxyRequest(error) => error,
            Self::Accept(error) => error,
            Self::Response(error) => error,
            Self::CloseCode(error) => error,
            Self::Header(error) => error,
            Self::ForeignInput | Self::OutOfMemory => return None,
            #[cfg(feature = "std")]
            Self::Randomness(error) => error,
        })
    }
}

/// The variant that a special error becomes, except for what is somebody else's fault.
macro_rules! from {
    ($($error:ty => $variant:ident { $($special:pat => $general:expr),* })*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                match error {
                    $($special => $general,)*
                    error => Self::$variant(error),
                }
            }
        }

        /// By way of [`Error`](crate::Error), for functions that also read and write.
        #[cfg(feature = "std")]
        impl From<$error> for std::io::Error {
            fn from(error: $error) -> Self {
                Error::from(error).into()
            }
        })*
    };
}

from! {
    Failure => Peer { Failure::OutOfMemory => Self::OutOfMemory, Failure::ForeignInput => Self::ForeignInput }
    HeadError => Head { HeadError::OutOfMemory => Self::OutOfMemory }
    server::Refusal => Refusal { server::Refusal::Head(error) => error.into() }
    client::UpgradeError => Upgrade { client::UpgradeError::OutOfMemory => Self::OutOfMemory }
    proxy::TunnelError => Tunnel {
        proxy::TunnelError::Head(HeadError::OutOfMemory) => Self::OutOfMemory,
        proxy::TunnelError::Head(error) => error.into()
    }
    proxy::RequestError => ProxyRequest { proxy::RequestError::OutOfMemory => Self::OutOfMemory }
    UncleanEnd => Lost { UncleanEnd::Failed(failure) => failure.into() }
    TimedOut => TimedOut {}
    SendError => Send { SendError::OutOfMemory => Self::OutOfMemory }
    UriError => Uri {}
    client::RequestError => Request { client::RequestError::OutOfMemory => Self::OutOfMemory }
    server::AcceptError => Accept { server::AcceptError::OutOfMemory => Self::OutOfMemory }
    server::ResponseError => Response { server::ResponseError::OutOfMemory => Self::OutOfMemory }
    ForbiddenCloseCode => CloseCode {}
    InvalidHeader => Header {}
}

#[cfg(feature = "alloc")]
from! {
    client::RedirectError => Redirect { client::RedirectError::OutOfMemory => Self::OutOfMemory }
}

#[cfg(feature = "std")]
from! {
    RandomnessError => Randomness {}
}

/// With the kind that the standard library has for it: data of a peer that is invalid, a stream that ended early,
/// memory that is out.
#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind;

        let kind = match error {
            Error::Peer(_)
            | Error::Head(_)
            | Error::Refusal(_)
            | Error::Upgrade(_)
            | Error::Redirect(_)
            | Error::Tunnel(_) => ErrorKind::InvalidData,
            Error::Lost(_) => ErrorKind::UnexpectedEof,
            Error::TimedOut(_) => ErrorKind::TimedOut,
            Error::Send(SendError::Closing | SendError::TransportLost) => ErrorKind::NotConnected,
            Error::OutOfMemory => ErrorKind::OutOfMemory,
            Error::Randomness(_) => ErrorKind::Other,
            _ => ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

impl From<HeaderError> for Error {
    fn from(error: HeaderError) -> Self {
        Self::Peer(error.into())
    }
}

impl From<CloseError> for Error {
    fn from(error: CloseError) -> Self {
        Self::Peer(error.into())
    }
}

#[cfg(feature = "std")]
impl From<HeaderError> for std::io::Error {
    fn from(error: HeaderError) -> Self {
        Error::from(error).into()
    }
}

#[cfg(feature = "std")]
impl From<CloseError> for std::io::Error {
    fn from(error: CloseError) -> Self {
        Error::from(error).into()
    }
}

const _: () = assert!(size_of::<Error>() <= 32, "an error is passed in few registers");

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::string::ToString;
    use core::error::Error as _;

    use super::*;
    use crate::{
        CloseCode,
        client::{RedirectError, UpgradeError},
        proxy::TunnelError,
        server::Refusal,
    };

    const REFUSED: UpgradeError = UpgradeError::Refused { status: 404 };

    /// The peer's fault, the caller's, a lost connection and memory, whichever function has noticed it.
    #[test]
    fn each_error_becomes_one_that_says_whose_fault_it_is() {
        let memory = Error::OutOfMemory;
        let wrong = Failure::Masked;
        for (error, expected) in [
            (Error::from(wrong), Error::Peer(wrong)),
            (UncleanEnd::Failed(wrong).into(), Error::Peer(wrong)),
            (HeaderError::LengthTopBit.into(), Error::Peer(Failure::Header(HeaderError::LengthTopBit))),
            (CloseError::OneByte.into(), Error::Peer(Failure::Close(CloseError::OneByte))),
            (UncleanEnd::WithoutClose.into(), Error::Lost(UncleanEnd::WithoutClose)),
            (UncleanEnd::Failed(Failure::OutOfMemory).into(), memory),
            (Failure::OutOfMemory.into(), memory),
            (Failure::ForeignInput.into(), Error::ForeignInput),
            (SendError::OutOfMemory.into(), memory),
            (SendError::Closing.into(), Error::Send(SendError::Closing)),
            (HeadError::OutOfMemory.into(), memory),
            (Refusal::Head(HeadError::OutOfMemory).into(), memory),
            (Refusal::Head(HeadError::Tls).into(), Error::Head(HeadError::Tls)),
            (Refusal::NotAnUpgrade.into(), Error::Refusal(Refusal::NotAnUpgrade)),
            (UpgradeError::OutOfMemory.into(), memory),
            (TunnelError::Head(HeadError::OutOfMemory).into(), memory),
            (TunnelError::Head(HeadError::Tls).into(), Error::Head(HeadError::Tls)),
            (TunnelError::NoMethod.into(), Error::Tunnel(TunnelError::NoMethod)),
            (proxy::RequestError::OutOfMemory.into(), memory),
            (proxy::RequestError::Host.into(), Error::ProxyRequest(proxy::RequestError::Host)),
            (REFUSED.into(), Error::Upgrade(REFUSED)),
            (RedirectError::OutOfMemory.into(), memory),
            (RedirectError::Insecure.into(), Error::Redirect(RedirectError::Insecure)),
            (client::RequestError::OutOfMemory.into(), memory),
            (server::AcceptError::OutOfMemory.into(), memory),
            (server::ResponseError::OutOfMemory.into(), memory),
            (server::ResponseError::Status(99).into(), Error::Response(server::ResponseError::Status(99))),
        ] {
            assert_eq!(error, expected);
            assert_eq!(error.source().is_none(), matches!(error, Error::OutOfMemory | Error::ForeignInput));
        }
    }

    #[test]
    fn it_is_an_error_of_reading_and_writing_too() {
        use std::io::{self, ErrorKind};

        fn write(error: SendError) -> io::Result<()> {
            Err(error)?
        }
        assert_eq!(write(SendError::Closing).unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(write(SendError::OutOfMemory).unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(io::Error::from(UncleanEnd::WithoutClose).kind(), ErrorKind::UnexpectedEof);
        assert_eq!(io::Error::from(RedirectError::Insecure).kind(), ErrorKind::InvalidData);
        let error = io::Error::from(UncleanEnd::Failed(Failure::Masked));
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&Error::Peer(Failure::Masked)));
    }

    #[test]
    fn it_says_what_the_special_error_says() {
        let forbidden = CloseCode::new(1005).unwrap_err();
        assert_eq!(Error::from(forbidden).to_string(), forbidden.to_string());
        let refused = REFUSED;
        assert_eq!(Error::from(refused).to_string(), "the server refused with status 404");
        assert_eq!(Error::from(refused).source().unwrap().to_string(), refused.to_string());
    }
}
