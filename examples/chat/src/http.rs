//! The answer to a request: the page, the WebSocket, or a refusal.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    sync::Once,
};

use websocket_proto::{
    Connection, Server,
    server::{self, Accept, Refusal, Response},
};

const PAGE: &str = include_str!("index.html");

const PAGE_HEADERS: &[(&str, &str)] = &[("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-cache")];

type Request = server::Request<Vec<u8>, Vec<u8>>;
pub(crate) type WebSocket = Connection<Server, Vec<u8>, Vec<u8>>;

#[expect(clippy::large_enum_variant, reason = "it is not kept")]
pub(crate) enum Answer {
    WebSocket(WebSocket),
    Response(Vec<u8>),
}

/// The answer to a request that arrived at our address `here`. Our own pages and those of `origins` may open a
/// WebSocket.
pub(crate) fn answer(request: Result<Request, Refusal>, here: SocketAddr, origins: &[String]) -> Answer {
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return refusal.response().into(),
    };
    let head_only = request.method() == "HEAD";
    let response = match (request.path(), request.method()) {
        ("/chat", _) => match web_socket(request, here, origins) {
            Ok(connection) => return Answer::WebSocket(connection),
            Err(response) => response,
        },
        ("/", "GET" | "HEAD") => Response::new(200).headers(PAGE_HEADERS).body(PAGE.as_bytes()),
        ("/", _) => Response::new(405).headers(&[("Allow", "GET, HEAD")]),
        _ => Response::new(404).body(b"The only paths are / and /chat.\n"),
    };
    response.head_only(head_only).into()
}

/// The answer to a peer that sends no request in time.
pub(crate) fn timeout() -> Answer {
    Response::new(408).into()
}

fn web_socket(request: Request, here: SocketAddr, origins: &[String]) -> Result<WebSocket, Response<'static>> {
    let upgrade = request.upgrade().map_err(Refusal::response)?;
    let own = own_origins(here);
    let allowed: Vec<&str> = own.iter().chain(origins).map(String::as_str).collect();
    if let Err(refusal) = upgrade.check_origin(&allowed) {
        // The page is not told why it failed. The operator is told, but only once: otherwise every page could fill the
        // log.
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let origin = String::from_utf8_lossy(upgrade.origin().unwrap_or_default());
            let _ = writeln!(io::stderr(), "chat: refused a page from {origin:?}; --origin would allow it");
        });
        return Err(refusal.response());
    }
    upgrade.accept(&Accept::new()).map_err(|_| Response::new(500))
}

/// The origins of our page when it is loaded from the address `here`: the address itself, and for this machine its
/// other names.
///
/// The `Host` of the request does not count: anyone can let a name point to this server.
fn own_origins(here: SocketAddr) -> Vec<String> {
    let ip = here.ip().to_canonical();
    let mut hosts = vec![match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }];
    if ip.is_loopback() {
        hosts.push("localhost".to_owned());
    }
    // Browsers omit the default port.
    let port = if here.port() == 80 { String::new() } else { format!(":{}", here.port()) };
    hosts.iter().map(|host| format!("http://{host}{port}")).collect()
}

/// The origin of a page: `https://chat.example.com` for `https://chat.example.com/room`.
pub(crate) fn origin_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let is_origin = matches!(scheme, "http" | "https") && !host.is_empty();
    is_origin.then(|| &url[..scheme.len() + "://".len() + host.len()])
}

impl From<Response<'_>> for Answer {
    fn from(response: Response<'_>) -> Self {
        let mut bytes = Vec::new();
        response.write(&mut bytes).expect("no header but those in this file");
        Self::Response(bytes)
    }
}

#[cfg(test)]
mod tests {
    use websocket_proto::{Config, Input};

    use super::*;

    const HANDSHAKE: &str = "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    /// The start of the answer.
    fn ask(line: &str, headers: &str, here: &str) -> String {
        let mut bytes = format!("{line} HTTP/1.1\r\n{headers}\r\n").into_bytes();
        let mut handshake = server::Handshake::new(Config::new());
        assert!(handshake.read(&mut Input::new(&mut bytes)));
        let origins = ["https://chat.example.com".to_owned()];
        let bytes = match answer(handshake.into_request(), here.parse().unwrap(), &origins) {
            Answer::Response(bytes) => bytes,
            Answer::WebSocket(connection) => connection.sender.pending().to_vec(),
        };
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn page_at_the_root() {
        let got = ask("GET /?from=somewhere", "Host: a\r\n", "127.0.0.1:9001");
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with(PAGE), "{got}");
        let head = ask("HEAD /", "Host: a\r\n", "127.0.0.1:9001");
        assert_eq!(got.strip_suffix(PAGE), Some(&*head));
    }

    #[test]
    fn statuses() {
        for (line, headers, status) in [
            ("GET /chat", HANDSHAKE, 101),
            ("GET /chat", "Host: a\r\n", 426),
            ("POST /chat", HANDSHAKE, 405),
            ("POST /", "Host: a\r\n", 405),
            ("GET /chat/", HANDSHAKE, 404),
            ("GET /favicon.ico", "Host: a\r\n", 404),
            ("GET", "", 400),
        ] {
            let got = ask(line, headers, "127.0.0.1:9001");
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {got}");
        }
    }

    #[test]
    fn origins() {
        for (here, origin, welcome) in [
            ("127.0.0.1:9001", "http://127.0.0.1:9001", true),
            ("127.0.0.1:9001", "http://localhost:9001", true),
            ("[::1]:9001", "http://[::1]:9001", true),
            ("192.168.1.5:9001", "http://192.168.1.5:9001", true),
            ("[::ffff:192.168.1.5]:9001", "http://192.168.1.5:9001", true),
            ("192.168.1.5:80", "http://192.168.1.5", true),
            ("192.168.1.5:9001", "https://chat.example.com", true),
            ("192.168.1.5:9001", "http://localhost:9001", false),
            ("127.0.0.1:9001", "http://localhost:9002", false),
            ("127.0.0.1:9001", "https://example.com", false),
            ("127.0.0.1:9001", "null", false),
        ] {
            let got = ask("GET /chat", &format!("{HANDSHAKE}Origin: {origin}\r\n"), here);
            let status = if welcome { 101 } else { 403 };
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{origin} at {here}: {got}");
        }
    }

    #[test]
    fn origin_of_urls() {
        for (url, origin) in [
            ("https://chat.example.com", Some("https://chat.example.com")),
            ("https://chat.example.com:8443/room?a#b", Some("https://chat.example.com:8443")),
            ("chat.example.com", None),
            ("ws://chat.example.com", None),
            ("https:///room", None),
        ] {
            assert_eq!(origin_of(url), origin, "{url}");
        }
    }
}
