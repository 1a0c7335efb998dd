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
            grammar::is_token,
            headers::{HeaderFault, Headers},
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
    /// The list is malformed (RFC 9113 §8.2, §8.3): a pseudo-header is unknown, repeated, or after a header; a name
    /// has a capital letter; a value has space around it; or the method or the path is invalid. Or there are too many
    /// headers, or they are too long. A plain CONNECT, which has no path, is [`Refusal::NotConnect`].
    pub fn from_header_list<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        config: Config,
        list: impl IntoIterator<Item = (N, V)>,
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
        list: impl IntoIterator<Item = (N, V)>,
        mut input: I,
        mut output: O,
    ) -> Result<Self, Refusal> {
        output.clear(usize::MAX);
        let mut list = list.into_iter();
        let mut pseudo = Pseudo { method: None, protocol: None, scheme: None, authority: None, path: None };
        let first = loop {
            match list.next() {
                Some((name, value)) if name.as_ref().starts_with(b":") => pseudo.take(name.as_ref(), value)?,
                header => break header,
            }
        };
        let (method, path) = match (&pseudo.method, &pseudo.path) {
            (Some(method), Some(path)) => (method, path),
            // A plain CONNECT opens a tunnel, which is not what is done here (RFC 9113 §8.5).
            (Some(method), None) if method.as_ref() == b"CONNECT" => return Err(Refusal::NotConnect),
            _ => return Err(HeadError::from(MalformedHead::RequestLine).into()),
        };
        let (method, path) = (method.as_ref(), path.as_ref());
        if !is_token(method) || path.iter().any(|byte| *byte == b' ' || byte.is_ascii_control()) {
            return Err(HeadError::from(MalformedHead::RequestLine).into());
        }
        if !is_target(method, path) || !path.starts_with(b"/") && path != b"*" {
            return Err(Refusal::Target);
        }
        let mut parts = Parts::new(&mut input, &config, &[method, b" ", path])?;
        if let Some(authority) = &pseudo.authority {
            parts.header(b"host", authority.as_ref())?;
        }
        let mut fault = Ok(());
        for (name, value) in first.into_iter().chain(list) {
            let (name, value) = (name.as_ref(), value.as_ref());
            check_header(name, value)?;
            match &pseudo.authority {
                Some(authority) if name == b"host" => {
                    let is_same = value.eq_ignore_ascii_case(authority.as_ref());
                    fault = fault.and(if is_same { Ok(()) } else { Err(HeaderFault::Wrong("Host")) });
                }
                _ if name == b"cookie" => parts.cookie(value)?,
                _ => {
                    fault = fault.and(check_name(name));
                    parts.header(name, value)?;
                }
            }
        }
        parts.end()?;
        let line = RequestLine::of_list(method.len(), path.len());
        let verdict = pseudo.check().and_then(|()| {
            fault?;
            check_headers(&line.headers(input.bytes()))
        });
        Ok(Self::new(input, line, verdict, output, config))
    }
}

/// The pseudo-headers of a request (RFC 9113 §8.3.1, RFC 8441 §4).
struct Pseudo<V> {
    method: Option<V>,
    protocol: Option<V>,
    scheme: Option<V>,
    authority: Option<V>,
    path: Option<V>,
}

impl<V: AsRef<[u8]>> Pseudo<V> {
    /// Adds one. None is unknown, and none is there twice.
    fn take(&mut self, name: &[u8], value: V) -> Result<(), HeadError> {
        let slot = match name {
            b":method" => &mut self.method,
            b":protocol" => &mut self.protocol,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            _ => return Err(MalformedHead::HeaderName.into()),
        };
        check_value(value.as_ref())?;
        if slot.replace(value).is_some() { Err(MalformedHead::HeaderName.into()) } else { Ok(()) }
    }

    /// Checks that they ask for a WebSocket.
    fn check(&self) -> Result<(), Refusal> {
        let is_connect = self.method.as_ref().is_some_and(|method| method.as_ref() == b"CONNECT");
        let Some(protocol) = self.protocol.as_ref().filter(|_| is_connect) else { return Err(Refusal::NotConnect) };
        if !protocol.as_ref().eq_ignore_ascii_case(b"websocket") {
            return Err(Refusal::Protocol);
        }
        if self.scheme.is_none() {
            return Err(HeaderFault::Missing(":scheme").into());
        }
        let authority = self.authority.as_ref().ok_or(HeaderFault::Missing(":authority"))?.as_ref();
        if authority.is_empty() || !is_authority(authority) {
            return Err(HeaderFault::Wrong(":authority").into());
        }
        Ok(())
    }
}

/// Checks a header that is not the first of the pseudo-headers: "All pseudo-header fields MUST appear in a field block
/// before all regular field lines", and names have no capital letters (RFC 9113 §8.2.1, §8.3).
fn check_header(name: &[u8], value: &[u8]) -> Result<(), HeadError> {
    if name.starts_with(b":") || name.iter().any(u8::is_ascii_uppercase) {
        return Err(MalformedHead::HeaderName.into());
    }
    check_value(value)
}

/// "A field value MUST NOT start or end with an ASCII whitespace character" (RFC 9113 §8.2.1)
fn check_value(value: &[u8]) -> Result<(), HeadError> {
    if value.trim_ascii().len() < value.len() { Err(MalformedHead::HeaderValue.into()) } else { Ok(()) }
}

/// "any message containing connection-specific header fields MUST be treated as malformed" (RFC 9113 §8.2.2)
fn check_name(name: &[u8]) -> Result<(), HeaderFault> {
    Err(HeaderFault::Unexpected(match name {
        b"connection" => "Connection",
        b"keep-alive" => "Keep-Alive",
        b"proxy-connection" => "Proxy-Connection",
        b"transfer-encoding" => "Transfer-Encoding",
        b"upgrade" => "Upgrade",
        _ => return Ok(()),
    }))
}

/// The rules of an opening handshake over extended CONNECT. There is no key: what it proves over HTTP/1.1, the
/// settings of HTTP/2 have shown (RFC 8441 §4, §5).
fn check_headers(headers: &Headers<'_>) -> Result<Opening, Refusal> {
    if headers.single("Content-Length").at_most_once()?.is_some() {
        return Err(Refusal::Body);
    }
    let offer = Offer::of(headers);
    offer.check_version().map_err(|refusal| match refusal {
        Refusal::WebSocketVersion { found } => Refusal::ConnectVersion { found },
        // A missing version is a wrong one.
        Refusal::Header(HeaderFault::Missing(_)) => Refusal::ConnectVersion { found: None },
        other => other,
    })?;
    offer.check()?;
    Ok(Opening::Connect)
}
