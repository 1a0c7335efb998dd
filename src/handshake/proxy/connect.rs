#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

use super::{Request, RequestError, TunnelError};
use crate::{
    Config, Exchange, Input, Storage,
    handshake::{
        http1::{
            collect::{Head, HeadError},
            headers::Headers,
            parse::{self, StatusLine, StatusStart},
            write,
        },
        read_response,
    },
};

/// A request to an HTTP proxy for a tunnel to a server, and its response: `CONNECT` (RFC 9110 §9.3.6).
///
/// The page of the [module](super) has an example.
pub struct Connect<I, O> {
    head: Head<I, StatusStart>,
    request: O,
    sent: usize,
}

// Without the request, in which there may be credentials.
impl<I, O> fmt::Debug for Connect<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connect({} bytes sent, {:?})", self.sent, self.head)
    }
}

#[cfg(feature = "alloc")]
impl Connect<Vec<u8>, Vec<u8>> {
    /// A request that allocates what it needs, up to the limits of `config` for the head of the response.
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is.
    pub fn new(config: Config, request: &Request<'_>) -> Result<Self, RequestError> {
        Self::with_storage(config, request, Vec::new(), Vec::new())
    }
}

impl<I: Storage, O: Storage> Connect<I, O> {
    /// A request in stores of the caller's. What is in them is dropped. `input` must hold the head of the response, and
    /// `output` the request, which is about 50 bytes, twice the host, and four thirds of the credentials.
    ///
    /// # Errors
    ///
    /// The request can't be sent as it is, or does not fit.
    pub fn with_storage(config: Config, request: &Request<'_>, input: I, mut output: O) -> Result<Self, RequestError> {
        output.clear(usize::MAX);
        request.write(&mut output)?;
        Ok(Self { head: Head::new(&config, input), request: output, sent: 0 })
    }

    /// The response that was read, whatever it says: with the headers of a refusal, such as `Proxy-Authenticate`.
    ///
    /// # Errors
    ///
    /// Its head is incomplete, too large, or not HTTP.
    pub fn into_response(self) -> Result<Response<I>, HeadError> {
        Ok(Response { head: self.head.into_store()? })
    }

    /// Ends the exchange: the tunnel is open, and the rest of the input is the first of what the server sends.
    ///
    /// # Errors
    ///
    /// The proxy has refused, or its response is none of HTTP.
    pub fn into_tunnel(self) -> Result<(), TunnelError> {
        self.into_response()?.check()
    }
}

impl<I: Storage, O: Storage> Exchange for Connect<I, O> {
    fn pending(&self) -> &[u8] {
        self.request.bytes().get(self.sent..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.sent += count.min(self.pending().len());
    }

    fn read(&mut self, input: &mut Input<'_>) -> bool {
        read_response(&mut self.head, input)
    }
}

impl Request<'_> {
    fn write<S: Storage>(&self, out: &mut S) -> Result<(), RequestError> {
        let reserved = ["Host", "Content-Length", "Transfer-Encoding", "Proxy-Authorization"];
        // Without credentials of this type the caller may have others.
        let reserved = if self.credentials.is_some() { &reserved[..] } else { &reserved[..3] };
        write::check_headers(self.headers, reserved).map_err(RequestError::Header)?;
        if let Some(credentials) = &self.credentials {
            credentials.write_header("", &mut |_| ())?;
        }
        let mut digits = [0; 20];
        let port = write::decimal(self.uri.port().into(), &mut digits);
        write::write(out, 0, |out| {
            // "There is no default port; a client MUST send the port number even if the CONNECT request is based on a
            // URI reference that contains an authority component with an elided port" (RFC 9110 §9.3.6)
            for part in [b"CONNECT ", self.uri.bracketed_host().as_bytes(), b":", port, b" HTTP/1.1\r\nHost: "] {
                out(part);
            }
            for part in [self.uri.bracketed_host().as_bytes(), b":", port, b"\r\n"] {
                out(part);
            }
            if let Some(credentials) = &self.credentials {
                // They were checked.
                let _ = credentials.write_header("Proxy-Authorization", out);
            }
            write::headers(out, self.headers);
            out(b"\r\n");
        })?;
        Ok(())
    }
}

/// The response of an HTTP proxy. If it is a refusal, the rest of the input is the beginning of its body.
pub struct Response<I> {
    /// The head, which was checked.
    head: I,
}

// Without the headers, in which there may be cookies.
impl<I: Storage> fmt::Debug for Response<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({})", self.status())
    }
}

impl<I: Storage> Response<I> {
    /// The status. 2xx: the tunnel is open.
    pub fn status(&self) -> u16 {
        StatusLine::read(self.head.bytes()).status
    }

    /// The headers. 407 has a challenge in `Proxy-Authenticate` (RFC 9110 §11.7.1).
    pub fn headers(&self) -> Headers<'_> {
        parse::headers(self.head.bytes())
    }

    /// Checks that the tunnel is open: "Any 2xx (Successful) response indicates that the sender (and all inbound
    /// proxies) will switch to tunnel mode" (RFC 9110 §9.3.6). Such a response has no body, whatever its headers say.
    ///
    /// # Errors
    ///
    /// [`TunnelError::Refused`].
    pub fn check(&self) -> Result<(), TunnelError> {
        match self.status() {
            200..=299 => Ok(()),
            status => Err(TunnelError::Refused { status }),
        }
    }
}
