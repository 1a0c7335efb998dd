//! Code that the benches share.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::time::Duration;

use criterion::Criterion;
use websocket_proto::{
    Client, Config, Connection, Input, Kind, Server, SystemRandom, Uri, client,
    frame::{FirstByte, Header, MaskingKey, Opcode},
    server,
};

pub const KIB: usize = 1024;

/// Short runs: all benches together take about a minute. They measure long loops over memory.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000))
        .sample_size(30)
        .configure_from_args()
}

/// Keeps memory between messages, like a busy connection.
const CONFIG: Config = Config::new().keep(256 * KIB);

/// The request of Chromium, with a cookie.
pub const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\n\
    Host: example.com:8080\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n\
    Cookie: session=5f4dcc3b5aa765d61d8327deb882cf99; theme=dark\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n\
    \r\n";

pub type ClientEnd = Connection<Client<SystemRandom>, Vec<u8>, Vec<u8>>;
pub type ServerEnd = Connection<Server, Vec<u8>, Vec<u8>>;

/// Both ends of an open connection.
pub fn connect() -> (ClientEnd, ServerEnd) {
    connect_as(CONFIG)
}

/// The same for other settings.
pub fn connect_as(config: Config) -> (ClientEnd, ServerEnd) {
    let request = client::Request::new(Uri::parse("ws://example.com/").unwrap());
    let mut client = client::Handshake::new(config, &request, SystemRandom::new().unwrap()).unwrap();
    let mut server = server::Handshake::new(config);
    assert!(server.read(&mut Input::new(&mut client.pending().to_vec())));
    let upgrade = server.into_request().unwrap().upgrade().unwrap();
    let mut server = upgrade.accept(&server::Accept::new()).unwrap();

    let mut response = server.sender.pending().to_vec();
    server.sender.consume(response.len());
    assert!(client.read(&mut Input::new(&mut response)));
    (client.into_response().unwrap().upgrade().unwrap(), server)
}

/// A message in frames of at most `fragment` bytes; from a client if there is a key.
pub fn message(kind: Kind, payload: &[u8], fragment: usize, mask: Option<MaskingKey>) -> Vec<u8> {
    let mut wire = Vec::new();
    let count = payload.len().div_ceil(fragment);
    for (index, part) in payload.chunks(fragment).enumerate() {
        let opcode = if index == 0 { kind.opcode() } else { Opcode::Continuation };
        let first = FirstByte { fin: index + 1 == count, rsv: 0, opcode };
        let header = Header { first, mask, payload_len: part.len() as u64 };
        wire.extend_from_slice(header.encode().as_slice());
        let start = wire.len();
        wire.extend_from_slice(part);
        if let Some(key) = mask {
            key.apply(&mut wire[start..]);
        }
    }
    wire
}

pub fn binary(len: usize) -> Vec<u8> {
    (0..len).map(|index| index as u8).collect()
}

/// One byte per letter.
pub fn ascii(len: usize) -> Vec<u8> {
    b"The quick brown fox jumps over the lazy dog. ".iter().copied().cycle().take(len).collect()
}

/// Two bytes per letter. Spaces are doubled, so that every even length is whole.
pub fn cyrillic(len: usize) -> Vec<u8> {
    "Съешь  ещё  этих  мягких  французских  булок  ".bytes().cycle().take(len).collect()
}
