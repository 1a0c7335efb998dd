//! From a URL to a connection: TCP, the handshake, and advice when the server refuses.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    str,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, pki_types::ServerName};
use websocket_proto::{
    Client, Config, Connection, Credentials, Exchange, Input, Outcome, SystemRandom, Uri,
    client::{self, Redirect, UpgradeError},
    deflate,
    head::{HeadError, Headers},
    proxy,
    time::{Retry, Watch},
};

use crate::{
    End, is_no_error, now,
    options::Options,
    proxy::{Kind, Proxy},
    screen::{self, Harmless},
    socket::Socket,
    tls,
};

/// How long to wait for the body of a refusal.
const BODY_PATIENCE: Duration = Duration::from_secs(2);

/// How many bytes of it are shown.
const BODY: usize = 4 << 10;

/// How many bytes are shown of an answer that is not HTTP.
const LONGEST_GREETING: usize = 80;

/// How much memory each half may keep between messages: enough for the largest fragment of a file.
const KEEP: usize = 1 << 20;

/// How many redirects are followed: they may form a circle.
const MAX_REDIRECTS: u32 = 5;

type Handshake = client::Handshake<SystemRandom, Vec<u8>, Vec<u8>>;
type Response = client::Response<SystemRandom, Vec<u8>, Vec<u8>>;

pub(crate) struct Connected {
    pub(crate) socket: Socket,
    pub(crate) connection: Connection<Client<SystemRandom>, Vec<u8>, Vec<u8>>,
    /// The first bytes of the connection, which were received with the response.
    pub(crate) early: Vec<u8>,
    pub(crate) watch: Watch,
}

/// Why there is no connection.
pub(crate) enum NotOpened {
    End(End),
    /// The server redirects, and is not followed without `--follow`.
    Redirect(Redirect, End),
}

impl From<End> for NotOpened {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

pub(crate) fn connect(options: &Options) -> Result<Connected, End> {
    let (uri, credentials) = Uri::parse_with_credentials(&options.url).map_err(End::usage)?;
    let mut url = uri.to_string();
    let mut extras = Extras {
        credentials,
        headers: &options.headers,
        subprotocols: &options.subprotocols,
        origin: options.origin.as_deref(),
    };
    let mut redirects = 0;
    loop {
        match connect_to(&url, extras, options) {
            Ok(connected) => return Ok(connected),
            Err(NotOpened::Redirect(redirect, _)) if options.follow && redirects < MAX_REDIRECTS => {
                screen::note(&format_args!("redirected to {}", redirect.address()));
                redirects += 1;
                if !redirect.is_same_origin() {
                    extras = Extras::default();
                }
                url = redirect.into_address();
            }
            Err(NotOpened::End(end) | NotOpened::Redirect(_, end)) => return Err(end),
        }
    }
}

/// What the command line adds to the request. It may have a secret, so only the first server gets it: a subprotocol or
/// an origin may be a token, too.
#[derive(Clone, Copy, Default)]
struct Extras<'a> {
    credentials: Option<Credentials<'a>>,
    headers: &'a [(String, String)],
    subprotocols: &'a [String],
    origin: Option<&'a str>,
}

fn connect_to(url: &str, extras: Extras<'_>, options: &Options) -> Result<Connected, NotOpened> {
    let uri = Uri::parse(url).map_err(End::usage)?;

    // The request borrows its parts, and is written in one piece when the handshake begins.
    let headers: Vec<_> = extras.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let subprotocols: Vec<_> = extras.subprotocols.iter().map(String::as_str).collect();
    let mut request = client::Request::new(uri).credentials(extras.credentials);
    request = request.headers(&headers).subprotocols(&subprotocols);
    if let Some(origin) = extras.origin {
        request = request.origin(origin);
    }
    // Messages are never assembled here, so they may have any length and any number of fragments.
    let mut config = Config::new().max_fragments(u32::MAX).max_message(options.max_message).keep(KEEP);
    if options.deflate {
        config = config.deflate(deflate::Config::new());
    }
    let random = SystemRandom::new().map_err(End::local)?;
    let handshake = client::Handshake::new(config, &request, random).map_err(End::usage)?;
    let tls = uri.is_secure().then(|| tls::config(options.cacert.as_deref(), options.insecure));
    let tls = tls.transpose().map_err(End::usage)?;

    let proxy = match &options.proxy {
        Some(proxy) => proxy.clone(),
        None => Proxy::of_environment(uri).map_err(End::usage)?,
    };
    let socket = match proxy {
        None => open_socket((uri.host(), uri.port()), &uri.host_header(), options.connect_timeout)?,
        Some(proxy) => open_tunnel(&proxy, uri, options.connect_timeout)?,
    };
    let socket = match tls {
        Some(config) => secure(socket, config, uri, options)?,
        None => socket,
    };
    shake_hands(socket, handshake, uri, options)
}

/// Asks the proxy for a tunnel.
fn open_tunnel(proxy: &Proxy, uri: Uri<'_>, patience: Duration) -> Result<Socket, End> {
    let request = proxy::Request::new(uri).credentials(proxy.credentials());
    let socket = open_socket(&*proxy.authority, proxy, patience)?;
    screen::note(&format_args!("asking the proxy for {}", uri.host_header()));
    let opened = match proxy.kind {
        Kind::Http => {
            let mut tunnel = proxy::Connect::new(Config::new(), &request).map_err(End::usage)?;
            exchange(&mut tunnel, &socket, patience).map(|()| tunnel.into_tunnel())
        }
        Kind::Socks5 => {
            let mut tunnel = proxy::Socks5::new(&request).map_err(End::usage)?;
            exchange(&mut tunnel, &socket, patience).map(|()| tunnel.into_tunnel())
        }
    };
    match opened {
        Ok(Ok(())) => Ok(socket),
        Ok(Err(error)) => {
            let advice = proxy.advice(&error);
            Err(End::refused(format!("no way through {proxy}: {error}{advice}"), Outcome::from(error).retry()))
        }
        // To SOCKS5, an HTTP proxy says nothing: it waits for a line.
        Err(error) if proxy.kind == Kind::Socks5 && is_no_error(&error) => {
            Err(End::lost(format!("no answer of {proxy} in time; is it an http:// proxy?")))
        }
        Err(error) => Err(End::lost(format!("no answer of {proxy}: {error}"))),
    }
}

/// Runs an exchange with a proxy. It reads single bytes, so that what follows stays in the socket.
fn exchange(exchange: &mut impl Exchange, mut socket: &Socket, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    socket.set_write_timeout(Some(patience))?;
    loop {
        socket.write_all(exchange.pending())?;
        exchange.consume(usize::MAX);
        let mut byte = [0];
        let n = read_by(deadline, socket, &mut byte)?;
        if n == 0 || exchange.read(&mut Input::new(&mut byte)) {
            return Ok(());
        }
    }
}

/// Makes the handshake of TLS.
fn secure(socket: Socket, config: Arc<ClientConfig>, uri: Uri<'_>, options: &Options) -> Result<Socket, End> {
    if options.insecure {
        screen::error(&"warning: the server's certificate is not checked (--insecure)");
    }
    let name = ServerName::try_from(uri.host().to_owned()).map_err(End::usage)?;
    socket.secure(config, name, Instant::now() + options.connect_timeout).map_err(|error| {
        if is_no_error(&error) {
            return End::lost(format!("no answer to the handshake of TLS within {:?}", options.connect_timeout));
        }
        match tls::advice(&error) {
            Some(words) => End::refused(words, Retry::Never),
            None => End::lost(format!("connection lost in the handshake of TLS: {error}")),
        }
    })
}

/// Tries all addresses of a host.
fn open_socket(host: impl ToSocketAddrs, name: &dyn Display, patience: Duration) -> Result<Socket, End> {
    let cannot = |why| End::lost(format!("cannot connect to {name}: {why}"));
    let addresses = host.to_socket_addrs();
    let addresses = addresses.map_err(|error| cannot(format!("no such host; is it spelled right? ({error})")))?;
    let mut problem = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(socket) => {
                screen::note(&format_args!("connected to {address}"));
                // Small messages should leave at once.
                socket.set_nodelay(true).map_err(End::local)?;
                return Ok(Socket::plain(socket));
            }
            Err(error) => problem = Some(error),
        }
    }
    Err(cannot(match problem {
        None => "the host has no address".into(),
        Some(error) => match error.kind() {
            ErrorKind::ConnectionRefused => "connection refused; is it running, and the port right?".into(),
            ErrorKind::TimedOut => {
                format!("no answer within {patience:?}; is the address right, or a firewall in the way?")
            }
            _ => error.to_string(),
        },
    }))
}

fn shake_hands(
    socket: Socket,
    mut handshake: Handshake,
    uri: Uri<'_>,
    options: &Options,
) -> Result<Connected, NotOpened> {
    let patience = options.connect_timeout;
    let late = || End::lost(format!("no response to the handshake within {patience:?}; is it a WebSocket server?"));
    let lost = |error: io::Error| match tls::advice(&error) {
        Some(words) => End::refused(words, Retry::Never),
        None if is_no_error(&error) => late(),
        None => End::lost(format!("connection lost in the handshake: {error}")),
    };
    let mut watch = Watch::new(options.patience(), now());
    // A server that doesn't read must not hold us up. The request is small, so one time-out is enough.
    socket.set_write_timeout(Some(patience)).map_err(lost)?;
    (&socket).write_all(handshake.pending()).map_err(lost)?;
    socket.set_write_timeout(None).map_err(lost)?;

    let mut buf = [0; 4096];
    let mut said = Vec::new();
    let input = loop {
        let wait = watch.check_opening(now()).map_err(|_| late())?;
        socket.set_read_timeout(wait).map_err(lost)?;
        let n = match (&socket).read(&mut buf) {
            Err(error) if is_no_error(&error) => continue,
            result => result.map_err(lost)?,
        };
        watch.heard(now());
        if said.len() < LONGEST_GREETING {
            said.extend_from_slice(&buf[..n]);
        }
        let mut input = Input::new(&mut buf[..n]);
        // If the stream ends too early, `into_response` says so.
        if handshake.read(&mut input) || n == 0 {
            break input;
        }
    };
    let response = handshake.into_response().map_err(|error| no_response(error, &said))?;

    if response.status() != 101 {
        for header in response.headers() {
            screen::error(&header);
        }
        show_body(&socket, response.headers(), input.remaining());
    }
    if let Some(subprotocol) = response.subprotocol() {
        screen::note(&format_args!("subprotocol {}", Harmless(subprotocol.as_bytes())));
    }
    if let Some(extensions) = response.headers().get("Sec-WebSocket-Extensions") {
        screen::note(&format_args!("extension {}", Harmless(extensions)));
    }
    if let Err(error) = response.check() {
        return Err(refused(error, &response, uri));
    }
    let connection = response.upgrade().map_err(|error| End::refused(error.to_string(), Retry::Never))?;
    Ok(Connected { socket, connection, early: input.remaining().to_vec(), watch })
}

/// The response opens no connection.
fn refused(error: UpgradeError, response: &Response, uri: Uri<'_>) -> NotOpened {
    if !matches!(error, UpgradeError::Refused { .. }) {
        return End::refused(format!("not a valid handshake: {error}"), Outcome::from(error).retry()).into();
    }
    let refused = |advice: &dyn Display| End::refused(format!("{error}{advice}"), response.retry());
    if let Some(location) = response.location() {
        return match uri.redirect(location) {
            Ok(redirect) => {
                let end = refused(&format_args!(", and points to {}", redirect.address()));
                NotOpened::Redirect(redirect, end)
            }
            Err(error) => {
                let location = Harmless(location.as_bytes());
                refused(&format_args!(", and points to {location}, which is not possible: {error}")).into()
            }
        };
    }
    refused(match response.status() {
        401 => &"; does it want another user name and password, ws://USER:PASSWORD@…, or a --header?",
        403 => &"; does it want a --header or an --origin?",
        200 | 404 => &"; is the path right?",
        _ => &"",
    })
    .into()
}

/// The message about a server whose answer `said` is not HTTP.
fn no_response(error: HeadError, said: &[u8]) -> End {
    let line = said.get(..LONGEST_GREETING).unwrap_or(said).split(|byte| matches!(byte, b'\r' | b'\n')).next();
    let words = match (error, line) {
        (HeadError::Tls, _) => "the server wants TLS on this port; is it wss://?".into(),
        (HeadError::Incomplete { seen: 0 }, _) => {
            "not a WebSocket server: the connection ended without a response; is the port right, or does it want TLS?"
                .into()
        }
        (_, Some(line)) if !line.is_empty() && !said.starts_with(b"HTTP/") => {
            format!("not a WebSocket server: it says '{}'; is the port right?", Harmless(line))
        }
        _ => format!("not a WebSocket server: {error}"),
    };
    // A server that ends in the middle of a handshake may be restarting.
    let retry = if matches!(error, HeadError::Incomplete { .. }) { Retry::Soon } else { Outcome::from(error).retry() };
    End::refused(words, retry)
}

/// Shows the beginning of a refusal's body. `body` is the part that was received already.
fn show_body(socket: &Socket, headers: Headers<'_>, body: &[u8]) {
    let announced = headers.get("Content-Length").and_then(|length| str::from_utf8(length).ok()?.parse().ok());
    let wanted = announced.unwrap_or(usize::MAX).min(BODY);
    let deadline = Instant::now() + BODY_PATIENCE;
    let mut body = body.to_vec();
    let mut buf = [0; BODY];
    while body.len() < wanted {
        match read_by(deadline, socket, &mut buf) {
            Ok(n @ 1..) => body.extend_from_slice(&buf[..n]),
            // A part of the body is better than nothing.
            Ok(_) | Err(_) => break,
        }
    }
    body.truncate(wanted);
    if body.is_empty() {
        return;
    }
    screen::error(&"");
    for line in body.strip_suffix(b"\n").unwrap_or(&body).split(|byte| *byte == b'\n') {
        screen::error(&Harmless(line.strip_suffix(b"\r").unwrap_or(line)));
    }
    if announced.is_none_or(|announced| announced > body.len()) && body.len() == BODY {
        screen::error(&"...");
    }
}

/// A read that fails at the deadline.
fn read_by(deadline: Instant, mut socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(ErrorKind::TimedOut, "no answer in time"));
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(buf) {
            Err(error) if is_no_error(&error) => {}
            result => return result,
        }
    }
}
