#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::{
    Refusal, Request,
    request::{Offer, Opening, is_target},
};
use crate::{
    Config, Storage,
    handshake::{
        http1::{
            collect::{HeadError, MalformedHead},
            grammar::{is, is_token},
            headers::{HeaderFault, Headers, Single},
            parse::RequestLine,
        },
        parts::Parts,
        uri::is_authority,
    },
};

#[cfg(feature = "alloc")]
impl Request<Vec<u8>, Vec<u8>> {
    /// A request of HTTP/2 or HTTP/3, as its list of headers: first the pseudo-headers, whose names begin with a colon.
    ///
    /// A WebSocket is asked for by extended CONNECT (RFC 8441 §4, RFC 9220 §3). Any other request is a request for a
    /// page, and not an [upgrade](Self::is_upgrade).
    ///
    /// The connection is one stream of many: its bytes are the stream's data, in both directions. The value of
    /// `:authority` is found as the header `Host`, as a gateway to HTTP/1.1 gives it (RFC 9113 §8.3.1).
    ///
    /// ```
    /// use websocket_proto::{Config, server};
    ///
    /// let list = [
    ///     (":method", "CONNECT"),
    ///     (":protocol", "websocket"),
    ///     (":scheme", "https"),
    ///     (":path", "/chat?room=1"),
    ///     (":authority", "example.com"),
    ///     ("sec-websocket-version", "13"),
    ///     ("sec-websocket-protocol", "chat"),
    ///     ("origin", "https://example.com"),
    /// ];
    /// let request = server::Request::from_header_list(Config::new(), list)?;
    /// assert!(request.is_upgrade());
    /// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    ///
    /// let upgrade = request.upgrade()?;
    /// let accept = server::Accept::new().subprotocol("chat");
    /// assert_eq!(upgrade.status(), 200);                   // there is no 101 in HTTP/2
    /// for (name, value) in upgrade.response_headers(&accept)? {
    ///     println!("{name}: {value}");                     // sec-websocket-protocol: chat
    /// }
    /// let connection = upgrade.into_connection()?;         // over the data of the stream
    /// assert!(connection.sender.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The list is malformed (RFC 9113 §8.2, §8.3): a pseudo-header is unknown, repeated, or after a header; a name has a
    /// capital letter; a value has space around it; or the method or the path is invalid. Or there are too many headers,
    /// or they are too long. A plain CONNECT, which has no path, is [`Refusal::NotConnect`].
    pub fn from_header_list<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        config: Config,
        list: impl IntoIterator<Item = (N, V), IntoIter: Clone>,
    ) -> Result<Self, Refusal> {
        Self::from_header_list_with_storage(config, list, Vec::new(), Vec::new())
    }
}

impl<I: Storage, O: Storage> Request<I, O> {
    /// The same in the caller's stores: see [`Handshake::with_storage`](super::Handshake::with_storage).
    ///
    /// # Errors
    ///
    /// As for [`from_header_list`](Request::from_header_list).
    pub fn from_header_list_with_storage<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        config: Config,
        list: impl IntoIterator<Item = (N, V), IntoIter: Clone>,
        mut input: I,
        mut output: O,
    ) -> Result<Self, Refusal> {
        output.clear(usize::MAX);
        let list = list.into_iter();
        // They were checked to be first, and none is twice.
        let pseudo = |name: &str| list.clone().find(|(found, _)| found.as_ref() == name.as_bytes());
        check_list(list.clone(), config.max_headers)?;
        let (Some((_, method)), Some((_, path))) = (pseudo(":method"), pseudo(":path")) else {
            // A plain CONNECT has no path (RFC 9113 §8.5). It opens a tunnel, which is not what is done here.
            return Err(Refusal::NotConnect);
        };
        let (method, path) = (method.as_ref(), path.as_ref());
        if !is_token(method) || path.iter().any(|byte| *byte == b' ' || byte.is_ascii_control()) {
            return Err(HeadError::from(MalformedHead::RequestLine).into());
        }
        if !is_target(method, path) || !path.starts_with(b"/") && path != b"*" {
            return Err(Refusal::Target);
        }
        let mut parts = Parts::new(&mut input, &config);
        parts.first_line(&[method, b" ", path])?;
        let authority = pseudo(":authority");
        if let Some((_, authority)) = &authority {
            parts.header(b"host", authority.as_ref())?;
        }
        for (name, value) in list.clone() {
            let name = name.as_ref();
            let is_stored = name.starts_with(b":") || (name == b"host" && authority.is_some());
            if !is_stored {
                parts.header(name, value.as_ref())?;
            }
        }
        parts.end()?;
        let line = RequestLine::of_list(method.len(), path.len());
        let protocol = pseudo(":protocol");
        let verdict = match &protocol {
            Some((_, protocol)) if method == b"CONNECT" => {
                let has = |name| if pseudo(name).is_some() { Ok(()) } else { Err(HeaderFault::Missing(name)) };
                has(":scheme")
                    .and_then(|()| has(":authority"))
                    .map_err(Refusal::Header)
                    .and_then(|()| check(protocol.as_ref(), list.clone(), &line.headers(input.bytes())))
            }
            _ => Err(Refusal::NotConnect),
        };
        Ok(Self::new(input, line, verdict, output, config))
    }
}

/// "All pseudo-header fields MUST appear in a field block before all regular field lines", and none twice; names have no
/// capital letters, and values no whitespace around them (RFC 9113 §8.2.1, §8.3).
fn check_list<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    list: impl Iterator<Item = (N, V)>,
    max_headers: usize,
) -> Result<(), HeadError> {
    const PSEUDO: [&[u8]; 5] = [b":method", b":protocol", b":scheme", b":authority", b":path"];
    let mut seen = [false; PSEUDO.len()];
    let mut is_pseudo = true;
    for (index, (name, value)) in list.enumerate() {
        // The list may be endless.
        if index >= max_headers.saturating_add(PSEUDO.len()) {
            return Err(HeadError::TooManyHeaders { limit: max_headers });
        }
        let (name, value) = (name.as_ref(), value.as_ref());
        let known = PSEUDO.iter().position(|pseudo| *pseudo == name);
        is_pseudo &= name.starts_with(b":");
        let is_right = match known.and_then(|index| seen.get_mut(index)) {
            Some(seen) => is_pseudo && !core::mem::replace(seen, true),
            None => !name.starts_with(b":") && !name.iter().any(u8::is_ascii_uppercase),
        };
        if !is_right {
            return Err(MalformedHead::HeaderName.into());
        }
        if value.trim_ascii().len() < value.len() {
            return Err(MalformedHead::HeaderValue.into());
        }
    }
    Ok(())
}

/// The rules of an opening handshake over extended CONNECT. There is no key: what it proves over HTTP/1.1, the settings of
/// HTTP/2 have shown (RFC 8441 §4, §5).
fn check<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    protocol: &[u8],
    list: impl Iterator<Item = (N, V)>,
    headers: &Headers<'_>,
) -> Result<Opening, Refusal> {
    if !protocol.eq_ignore_ascii_case(b"websocket") {
        return Err(Refusal::Protocol);
    }
    let authority = headers.get("Host").unwrap_or_default();
    if authority.is_empty() || !is_authority(authority) {
        return Err(HeaderFault::Wrong(":authority").into());
    }
    for (name, value) in list {
        // "any message containing connection-specific header fields MUST be treated as malformed" (RFC 9113 §8.2.2)
        let name = name.as_ref();
        for forbidden in ["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"] {
            if name.eq_ignore_ascii_case(forbidden.as_bytes()) {
                return Err(HeaderFault::Unexpected(forbidden).into());
            }
        }
        // "that identifies an entity that differs from the entity in the ":authority"" (RFC 9113 §8.3.1)
        if is(name, b"host") && !value.as_ref().eq_ignore_ascii_case(authority) {
            return Err(HeaderFault::Wrong("Host").into());
        }
    }
    let length: Single<'_> = headers.single("Content-Length");
    if length.at_most_once()?.is_some() {
        return Err(Refusal::Body);
    }
    let offer = Offer::of(headers);
    offer.check_version().map_err(|refusal| match refusal {
        Refusal::WebSocketVersion { found } => Refusal::ConnectVersion { found },
        // "400 with the version": a missing version is a wrong one.
        Refusal::Header(HeaderFault::Missing(_)) => Refusal::ConnectVersion { found: None },
        other => other,
    })?;
    offer.check()?;
    Ok(Opening::Connect)
}
