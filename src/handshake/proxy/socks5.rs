use core::fmt;

use super::{Request, RequestError, TunnelError};
use crate::{
    Exchange, Input,
    handshake::{
        credentials::{Credentials, CredentialsError},
        uri::HostKind,
    },
};

const VERSION: u8 = 5;

/// Methods of authentication (RFC 1928 §3).
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xFF;

/// A request to a SOCKS5 proxy for a tunnel to a server, and its answers (RFC 1928), with a user name and a password if
/// the proxy wants them (RFC 1929).
///
/// It has two or three rounds: what is [pending](Exchange::pending) may be more after each read. It allocates nothing.
///
/// ```
/// use websocket_proto::{Exchange, Input, Uri, proxy};
///
/// let request = proxy::Request::new(Uri::parse("ws://example.com/chat")?);
/// let mut tunnel = proxy::Socks5::new(&request)?;
/// assert_eq!(tunnel.pending(), [5, 1, 0]);                              // "I have no credentials"
/// tunnel.consume(3);
/// assert!(!tunnel.read(&mut Input::new(&mut [5, 0])));                  // "none are needed"
/// assert_eq!(tunnel.pending(), b"\x05\x01\0\x03\x0Bexample.com\0\x50"); // "connect to example.com, port 80"
/// tunnel.consume(usize::MAX);
/// let mut answer = [5, 0, 0, 1, 192, 0, 2, 1, 0x12, 0x34, b'!'];
/// let mut input = Input::new(&mut answer);
/// assert!(tunnel.read(&mut input));                                     // "done, from 192.0.2.1:4660"
/// tunnel.into_tunnel()?;
/// assert_eq!(input.remaining(), b"!");                                  // from the server
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Socks5<'a> {
    request: Request<'a>,
    /// The message that is sent, and how many bytes of it.
    message: [u8; MAX_MESSAGE],
    sent: usize,
    len: usize,
    /// How many bytes of the answer to it were received.
    received: usize,
    step: Step,
}

/// The longest message has a user name and a password of 255 bytes each.
const MAX_MESSAGE: usize = 3 + 255 + 255;

/// The answer that is expected.
#[derive(Clone, Copy, Debug)]
enum Step {
    Method,
    Authentication,
    Reply,
    AddressLength,
    /// Of the address, and of the port behind it.
    Address {
        left: usize,
    },
    Open,
    Failed(TunnelError),
}

// Without the message, in which there may be credentials.
impl fmt::Debug for Socks5<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socks5({:?})", self.step)
    }
}

impl<'a> Socks5<'a> {
    /// A request for a tunnel. The proxy looks up the host, if it is a name.
    ///
    /// # Errors
    ///
    /// The user name or the password has not 1 to 255 bytes, or the host has more than 255.
    pub fn new(request: &Request<'a>) -> Result<Self, RequestError> {
        if let Some(credentials) = &request.credentials {
            check(credentials)?;
        }
        if request.uri.host().len() > 255 {
            return Err(RequestError::Host);
        }
        let mut socks =
            Self { request: *request, message: [0; MAX_MESSAGE], sent: 0, len: 0, received: 0, step: Step::Method };
        match request.credentials {
            None => socks.send(&[&[VERSION, 1, NO_AUTHENTICATION]]),
            Some(_) => socks.send(&[&[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD]]),
        }
        Ok(socks)
    }

    /// Ends the exchange: the tunnel is open, and the rest of the input is the first of what the server sends.
    ///
    /// # Errors
    ///
    /// The proxy has not connected to the server, or what it sent is not SOCKS5.
    pub fn into_tunnel(self) -> Result<(), TunnelError> {
        match self.step {
            Step::Open => Ok(()),
            Step::Failed(error) => Err(error),
            _ => Err(TunnelError::Incomplete),
        }
    }

    /// The next message. The one before was sent, or the proxy has answered it too early.
    fn send(&mut self, parts: &[&[u8]]) {
        (self.sent, self.len, self.received) = (0, 0, 0);
        self.add(parts.iter().flat_map(|part| part.iter().copied()));
    }

    /// Adds to the message.
    fn add(&mut self, bytes: impl Iterator<Item = u8>) {
        for (place, byte) in self.message.iter_mut().skip(self.len).zip(bytes) {
            *place = byte;
            self.len += 1;
        }
    }

    fn log_in(&mut self, credentials: Credentials<'_>) -> Step {
        self.send(&[&[1]]);
        for text in [credentials.user(), credentials.password()] {
            // It was checked that the length fits.
            self.add([text.clone().count() as u8].into_iter().chain(text));
        }
        Step::Authentication
    }

    fn ask_to_connect(&mut self) -> Step {
        let (host, port) = (self.request.uri.host(), self.request.uri.port().to_be_bytes());
        match self.request.uri.kind_of_host() {
            HostKind::V4(address) => self.send(&[&[VERSION, 1, 0, 1], &address, &port]),
            HostKind::V6(address) => self.send(&[&[VERSION, 1, 0, 4], &address, &port]),
            // It was checked that the length fits.
            HostKind::Name => self.send(&[&[VERSION, 1, 0, 3, host.len() as u8], host.as_bytes(), &port]),
        }
        Step::Reply
    }

    /// Takes the next byte of the answer that is expected.
    fn take(&mut self, byte: u8) -> Result<Step, TunnelError> {
        let place = self.received;
        self.received += 1;
        match (self.step, place) {
            // RFC 1929 §2 has a version of its own, which some proxies get wrong.
            (Step::Authentication, 0) => Ok(self.step),
            (Step::Method | Step::Reply, 0) if byte != VERSION => Err(TunnelError::Version { found: byte }),
            (Step::Method | Step::Reply, 0) => Ok(self.step),

            (Step::Method, _) => match (byte, self.request.credentials) {
                (NO_AUTHENTICATION, _) => Ok(self.ask_to_connect()),
                (USER_AND_PASSWORD, Some(credentials)) => Ok(self.log_in(credentials)),
                (NO_METHOD, _) => Err(TunnelError::NoMethod),
                (found, _) => Err(TunnelError::Method { found }),
            },

            // "A STATUS field of X'00' indicates success." (RFC 1929 §2)
            (Step::Authentication, _) if byte == 0 => Ok(self.ask_to_connect()),
            (Step::Authentication, _) => Err(TunnelError::Credentials),

            (Step::Reply, 1) if byte != 0 => Err(TunnelError::Reply(Reply(byte))),
            (Step::Reply, 1 | 2) => Ok(Step::Reply),
            (Step::Reply, _) => match byte {
                1 => Ok(Step::Address { left: 4 + 2 }),
                3 => Ok(Step::AddressLength),
                4 => Ok(Step::Address { left: 16 + 2 }),
                found => Err(TunnelError::AddressType { found }),
            },
            (Step::AddressLength, _) => Ok(Step::Address { left: usize::from(byte) + 2 }),
            (Step::Address { left: left @ 2.. }, _) => Ok(Step::Address { left: left - 1 }),
            (Step::Address { .. } | Step::Open, _) => Ok(Step::Open),
            (Step::Failed(error), _) => Err(error),
        }
    }
}

impl Exchange for Socks5<'_> {
    fn pending(&self) -> &[u8] {
        self.message.get(self.sent..self.len).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.sent += count.min(self.pending().len());
    }

    fn read(&mut self, input: &mut Input<'_>) -> bool {
        while !matches!(self.step, Step::Open | Step::Failed(_)) {
            let [byte] = *input.take(1) else { return false };
            self.step = self.take(byte).unwrap_or_else(Step::Failed);
        }
        true
    }
}

/// "UNAME [...] 1 to 255", "PASSWD [...] 1 to 255" (RFC 1929 §2)
fn check(credentials: &Credentials<'_>) -> Result<(), CredentialsError> {
    if !(1..=255).contains(&credentials.user().count()) {
        Err(CredentialsError::User)
    } else if !(1..=255).contains(&credentials.password().count()) {
        Err(CredentialsError::Password)
    } else {
        Ok(())
    }
}

/// Why a SOCKS5 proxy has not connected to the server: the code of its reply (RFC 1928 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply(u8);

impl Reply {
    /// 1: the proxy does not say why.
    pub const GENERAL_FAILURE: Self = Self(1);
    /// 2: the proxy's rules do not allow it.
    pub const NOT_ALLOWED: Self = Self(2);
    /// 3: the server's network is unreachable.
    pub const NETWORK_UNREACHABLE: Self = Self(3);
    /// 4: the server is unreachable. Many proxies say this if they do not find its name.
    pub const HOST_UNREACHABLE: Self = Self(4);
    /// 5: nobody listens on the server's port.
    pub const CONNECTION_REFUSED: Self = Self(5);
    /// 6: the TTL has expired, which in practice means that the server did not answer in time.
    pub const TTL_EXPIRED: Self = Self(6);
    /// 7: the proxy does not connect for anybody.
    pub const COMMAND_NOT_SUPPORTED: Self = Self(7);
    /// 8: the proxy does not know this kind of address, such as IPv6 or names.
    pub const ADDRESS_TYPE_NOT_SUPPORTED: Self = Self(8);

    /// The server or the way to it may be there again soon.
    pub(super) fn may_pass(self) -> bool {
        matches!(self.0, 1 | 3..=6)
    }

    /// The code.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::GENERAL_FAILURE => "general failure",
            Self::NOT_ALLOWED => "not allowed by its rules",
            Self::NETWORK_UNREACHABLE => "network unreachable",
            Self::HOST_UNREACHABLE => "host unreachable",
            Self::CONNECTION_REFUSED => "connection refused",
            Self::TTL_EXPIRED => "TTL expired",
            Self::COMMAND_NOT_SUPPORTED => "command not supported",
            Self::ADDRESS_TYPE_NOT_SUPPORTED => "address type not supported",
            Self(code) => return write!(f, "unassigned code {code}"),
        })
    }
}

impl core::error::Error for Reply {}
