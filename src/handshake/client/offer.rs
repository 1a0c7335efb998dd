#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::{fmt, iter, str};

use super::{Request, RequestError, Response};
use crate::{
    Client, Config, Randomness, Sender, Storage,
    handshake::{
        http1::{collect::HeadError, grammar::text_len, write},
        key::{self, AcceptKey},
        parts::Parts,
    },
};

/// A request that an HTTP library sends: its headers, and what its response is checked for.
///
/// There are two ways to ask for a WebSocket: by `Upgrade` in [HTTP/1.1](Self::http1), and by
/// [extended CONNECT](Self::extended_connect) in HTTP/2 and HTTP/3.
///
/// ```
/// use websocket_proto::{Config, SystemRandom, Uri, client};
///
/// let request = client::Request::new(Uri::parse("wss://example.com/chat")?).subprotocols(&["chat"]);
/// let offer = client::Offer::extended_connect(Config::new(), &request, SystemRandom::new()?)?;
/// for (name, value) in offer.headers() {
///     println!("{name}: {value}");                     // :method: CONNECT, :protocol: websocket, …
/// }
/// // The library sends them, and receives the headers of the response:
/// let response = offer.response(200, [("sec-websocket-protocol", "chat")])?;
/// assert_eq!(response.subprotocol(), Some("chat"));
/// let connection = response.upgrade()?;                // over the data of the stream
/// assert!(connection.sender.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Offer<K, I, O> {
    random: K,
    input: I,
    /// The headers, after a line that is none of them: the first line in HTTP/1.1.
    request: O,
    /// The answer to the key. Extended CONNECT has none.
    accept_key: Option<AcceptKey>,
    config: Config,
}

// Without the headers: there may be credentials in them.
impl<K, I, O> fmt::Debug for Offer<K, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.accept_key.is_some() { "Offer(HTTP/1.1)" } else { "Offer(extended CONNECT)" })
    }
}

#[cfg(feature = "alloc")]
impl<K: Randomness> Offer<K, Vec<u8>, Vec<u8>> {
    /// A request of HTTP/1.1 with the method GET, for [`Uri::resource`](crate::Uri::resource).
    ///
    /// The response should be a 101.
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is.
    pub fn http1(config: Config, request: &Request<'_>, random: K) -> Result<Self, RequestError> {
        Self::http1_with_storage(config, request, random, Vec::new(), Vec::new())
    }

    /// A request of HTTP/2 or HTTP/3 (RFC 8441 §4, RFC 9220 §3).
    ///
    /// Send it only if the peer's settings have SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 (RFC 8441 §3): the HTTP library
    /// knows them. The response should be a 200.
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is.
    pub fn extended_connect(config: Config, request: &Request<'_>, random: K) -> Result<Self, RequestError> {
        Self::extended_connect_with_storage(config, request, random, Vec::new(), Vec::new())
    }
}

impl<K: Randomness, I: Storage, O: Storage> Offer<K, I, O> {
    /// The same in stores of the caller's: see [`Handshake::with_storage`](super::Handshake::with_storage).
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is, or does not fit.
    pub fn http1_with_storage(
        config: Config,
        request: &Request<'_>,
        mut random: K,
        input: I,
        output: O,
    ) -> Result<Self, RequestError> {
        let key = key::encode_key(nonce(&mut random));
        let mut offer = Self { random, input, request: output, accept_key: Some(key::accept_key(&key)), config };
        offer.request.clear(usize::MAX);
        Sender::<Client<K>, O>::check_store(&offer.request)?;
        request.write(&config, &key, &mut offer.request)?;
        Ok(offer)
    }

    /// The same in stores of the caller's: see [`Handshake::with_storage`](super::Handshake::with_storage).
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is, or does not fit.
    pub fn extended_connect_with_storage(
        config: Config,
        request: &Request<'_>,
        random: K,
        input: I,
        output: O,
    ) -> Result<Self, RequestError> {
        let mut offer = Self { random, input, request: output, accept_key: None, config };
        offer.request.clear(usize::MAX);
        Sender::<Client<K>, O>::check_store(&offer.request)?;
        request.write_list(&config, &mut offer.request)?;
        Ok(offer)
    }

    /// The headers to send. Over extended CONNECT the pseudo-headers are first, and no name has a capital letter.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut lines = self.request.bytes();
        let next = move || {
            let (line, rest) = lines.split_at_checked(text_len(lines))?;
            lines = rest.get(2..)?;
            Some(line)
        };
        iter::from_fn(next).skip(1).map_while(|line| {
            // A pseudo-header begins with a colon.
            let colon = 1 + line.get(1..)?.iter().position(|byte| *byte == b':')?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 2..)?);
            Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?))
        })
    }

    /// The target of the first line in HTTP/1.1; `None` over extended CONNECT.
    #[cfg(feature = "http")]
    pub(crate) fn target(&self) -> Option<&str> {
        let line = self.request.bytes().strip_prefix(b"GET ")?;
        str::from_utf8(line.split(|byte| *byte == b' ').next()?).ok()
    }

    /// Takes the response that the library has received: its status, and its headers in any case. Interim responses
    /// (1xx other than 101) must have been skipped.
    ///
    /// # Errors
    ///
    /// A name or a value is none, or they are too many or too long.
    pub fn response<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Response<K, I, O>, HeadError> {
        let Self { random, mut input, request, accept_key, config } = self;
        let mut digits = [0; 20];
        // Three digits, as in the line of HTTP/1.1.
        let first_line = [&b"HTTP/1.1 "[..], write::decimal(status.clamp(100, 999).into(), &mut digits)];
        let mut parts = Parts::new(&mut input, &config, &first_line)?;
        for (name, value) in headers {
            parts.header(name.as_ref(), value.as_ref())?;
        }
        parts.end()?;
        Ok(Response::new(input, random, request, accept_key, config))
    }
}

/// "a nonce consisting of a randomly selected 16-byte value" (§4.1)
pub(super) fn nonce(random: &mut impl Randomness) -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce.chunks_exact_mut(4).for_each(|part| part.copy_from_slice(&random.next_key()));
    nonce
}
