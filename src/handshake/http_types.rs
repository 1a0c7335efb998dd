//! The feature `http`: requests and responses as the types of the crate `http`, which hyper, axum and others share.

use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::{
    Config, Randomness, Storage,
    client::{self, Offer},
    head::HeadError,
    server::{Accept, AcceptError, Refusal, Request, Response, Upgrade},
};

impl Request<Vec<u8>, Vec<u8>> {
    /// A request that hyper or axum has received, over HTTP/1.1 or HTTP/2 (feature `http`).
    ///
    /// `protocol` is the `:protocol` of extended CONNECT, which the crate `http` has no place for: with hyper it is
    /// `request.extensions().get::<hyper::ext::Protocol>()`. In HTTP/1.1 there is none.
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Server, server};
    ///
    /// type Vecs = Connection<Server, Vec<u8>, Vec<u8>>;
    ///
    /// /// The response to send, and the connection over the stream that the library upgrades then.
    /// fn open<B>(request: &http::Request<B>, protocol: Option<&str>) -> (http::Response<Vec<u8>>, Option<Vecs>) {
    ///     let accept = server::Accept::new();
    ///     let upgrade = server::Request::from_http(Config::new(), request, protocol).and_then(server::Request::upgrade);
    ///     match upgrade {
    ///         Err(refusal) => (refusal.response().to_http().map(<[u8]>::to_vec), None),
    ///         Ok(upgrade) => match upgrade.http_response(&accept) {
    ///             Err(_) => (http::Response::new(Vec::new()), None),
    ///             Ok(response) => (response.map(|()| Vec::new()), upgrade.into_connection().ok()),
    ///         },
    ///     }
    /// }
    ///
    /// let request = http::Request::get("/chat")
    ///     .header("host", "example.com").header("connection", "Upgrade").header("upgrade", "websocket")
    ///     .header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    /// let (response, connection) = open(&request.body(())?, None);
    /// assert_eq!(response.status(), 101);
    /// assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// assert!(connection.is_some());
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`from_parts`](Self::from_parts) in HTTP/1.1, and for [`from_header_list`](Self::from_header_list) in
    /// later versions.
    pub fn from_http<B>(config: Config, request: &http::Request<B>, protocol: Option<&str>) -> Result<Self, Refusal> {
        let (method, uri, headers) = (request.method().as_str(), request.uri(), request.headers());
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        match request.version() {
            Version::HTTP_11 => Self::from_parts(config, method, path, headers),
            Version::HTTP_09 | Version::HTTP_10 => Err(HeadError::Version.into()),
            _ => {
                let pseudo = [
                    (":method", Some(method)),
                    (":protocol", protocol),
                    (":scheme", uri.scheme_str()),
                    (":authority", uri.authority().map(|authority| authority.as_str())),
                    (":path", uri.path_and_query().map(|path| path.as_str())),
                ];
                let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some((name, value?.as_bytes())));
                Self::from_header_list(config, pseudo.chain(headers))
            }
        }
    }
}

impl<I: Storage, O: Storage> Upgrade<I, O> {
    /// The response that accepts, for an HTTP library to send (feature `http`): then
    /// [`into_connection`](Self::into_connection).
    ///
    /// # Errors
    ///
    /// As for [`response_headers`](Self::response_headers).
    pub fn http_response(&self, accept: &Accept<'_>) -> Result<http::Response<()>, AcceptError> {
        let mut response = http::Response::new(());
        *response.status_mut() = status(self.status());
        append(response.headers_mut(), self.response_headers(accept)?);
        Ok(response)
    }
}

impl<'a> Response<'a> {
    /// The response for an HTTP library to send (feature `http`). A status or a header that is none is left out.
    pub fn to_http(&self) -> http::Response<&'a [u8]> {
        let mut response = http::Response::new(self.content());
        *response.status_mut() = status(self.status());
        append(response.headers_mut(), self.header_list().iter().copied());
        response
    }
}

impl<K: Randomness, I: Storage, O: Storage> Offer<K, I, O> {
    /// The request for an HTTP library to send (feature `http`).
    ///
    /// Over extended CONNECT, add the protocol as the library wants it: with hyper,
    /// `request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"))`.
    ///
    /// ```
    /// use websocket_proto::{Config, SystemRandom, Uri, client};
    ///
    /// let request = client::Request::new(Uri::parse("wss://example.com/chat")?);
    /// let offer = client::Offer::extended_connect(Config::new(), &request, SystemRandom::new()?)?;
    /// let request = offer.http_request()?;
    /// assert_eq!((request.method(), request.version()), (&http::Method::CONNECT, http::Version::HTTP_2));
    /// assert_eq!(request.uri(), "https://example.com/chat");
    /// // The library sends it, and receives a response:
    /// let response = http::Response::new(());
    /// let connection = offer.http_response(&response)?.upgrade()?;
    /// assert!(connection.sender.is_open());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The crate `http` does not take the address or a header.
    pub fn http_request(&self) -> Result<http::Request<()>, http::Error> {
        let mut request = http::Request::builder();
        let mut uri = http::Uri::builder();
        for (name, value) in self.headers() {
            match name {
                ":method" => request = request.method(Method::CONNECT).version(Version::HTTP_2),
                ":protocol" => {}
                ":scheme" => uri = uri.scheme(value),
                ":authority" => uri = uri.authority(value),
                ":path" => uri = uri.path_and_query(value),
                name => request = request.header(name, value),
            }
        }
        if let Some(target) = self.target() {
            uri = uri.path_and_query(target);
        }
        request.uri(uri.build()?).body(())
    }

    /// Takes the response that the library has received (feature `http`): see [`response`](Self::response).
    ///
    /// # Errors
    ///
    /// As for [`response`](Self::response).
    pub fn http_response<B>(self, response: &http::Response<B>) -> Result<client::Response<K, I, O>, HeadError> {
        let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        self.response(response.status().as_u16(), headers)
    }
}

fn status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or_default()
}

fn append<'h>(map: &mut HeaderMap, headers: impl Iterator<Item = (&'h str, &'h str)>) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            map.append(name, value);
        }
    }
}
