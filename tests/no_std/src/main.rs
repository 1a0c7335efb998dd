//! Two ends without `std`: they open a connection, exchange messages in every way, and close. Exit code 0 if all went
//! well.
//!
//! Optimized and without an allocator, it can only be linked if nothing in it can panic. Then the linker removes the
//! panic handler, and does not need the function that it calls.
#![no_std]
#![no_main]

use core::{hint::black_box, time::Duration};

use websocket_proto::{
    Chunk, ChunkEvent, Client, Config, Connection, Credentials, Event, Exchange, FixedStorage, Input, Kind, OwnedReply,
    ReadBuffer, Server, Traffic, Transport, UncleanEnd, Uri, client,
    frame::{CloseCode, MaskingKey},
    head::Header,
    proxy, server,
    time::{Backoff, Patience, Retry, Watch},
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(not(any(debug_assertions, feature = "alloc")))]
    {
        unsafe extern "C" {
            // This function does not exist.
            safe fn something_can_panic() -> !;
        }
        something_can_panic()
    }
    #[cfg(any(debug_assertions, feature = "alloc"))]
    abort()
}

// The compiler's library was built for unwinding. This program doesn't unwind, but must define this symbol.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[link(name = "c")]
unsafe extern "C" {
    #[cfg(any(debug_assertions, feature = "alloc"))]
    safe fn abort() -> !;
}

type Store = FixedStorage<[u8; 512]>;
type Keys = fn() -> [u8; 4];

#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    #[cfg(feature = "panic")]
    assert_ne!(open().map(|(server, _)| server.sender.backlog()), Some(4));
    match talk()
        .and_then(|()| refuse())
        .and_then(|()| stream())
        .and_then(|()| time())
        .and_then(|()| lists())
        .and_then(|()| tunnels())
    {
        Some(()) => with_an_allocator(),
        None => 1,
    }
}

fn store() -> Store {
    FixedStorage::new([0; 512])
}

fn open() -> Option<(Connection<Server, Store, Store>, Connection<Client<Keys>, Store, Store>)> {
    let request = client::Request::new(Uri::parse("ws://example.com/").ok()?);
    let keys: Keys = || [1, 2, 3, 4];
    let mut client = client::Handshake::with_storage(Config::new(), &request, keys, store(), store()).ok()?;
    let mut server = server::Handshake::with_storage(Config::new(), store(), store());
    let mut wire = [0; 512];
    server.read(&mut on_the_wire(&mut wire, client.pending())?).then_some(())?;
    let mut server = server.into_request().ok()?.upgrade().ok()?.accept(&server::Accept::new()).ok()?;
    client.read(&mut on_the_wire(&mut wire, server.sender.pending())?).then_some(())?;
    server.sender.consume(usize::MAX);
    Some((server, client.into_response().ok()?.upgrade().ok()?))
}

fn on_the_wire<'w>(wire: &'w mut [u8; 512], bytes: &[u8]) -> Option<Input<'w>> {
    let wire = wire.get_mut(..bytes.len())?;
    copy(bytes, wire);
    Some(Input::new(wire))
}

/// Copies as many bytes as fit: `copy_from_slice` could panic.
fn copy(bytes: &[u8], room: &mut [u8]) -> usize {
    room.iter_mut().zip(bytes).map(|(room, byte)| *room = *byte).count()
}

fn talk() -> Option<()> {
    let (mut server, mut client) = open()?;
    client.sender.send_text_fragment("in two ", false).ok()?;
    client.sender.send_ping(b"?").ok()?;
    client.sender.send_text_fragment("fragments", true).ok()?;
    client.sender.close(CloseCode::NORMAL, "done").ok()?;
    let (mut messages, mut closes) = (0, 0);
    for byte in client.sender.pending() {
        let mut byte = [*byte];
        let mut input = Input::new(&mut byte);
        while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
            match event {
                Event::Text("in two fragments") => messages += 1,
                Event::Ping(b"?") => messages += 1,
                Event::Close { code: Some(CloseCode::NORMAL), reason: "done", .. } => closes += 1,
                _ => return None,
            }
        }
    }
    let answered = server.sender.pending() == b"\x8A\x01?\x88\x06\x03\xE8done";
    server.sender.consume(usize::MAX);
    let is_closed = server.sender.transport() == Transport::CloseNow && server.receiver.end_of_input() == Ok(());
    (messages == 2 && closes == 1 && answered && is_closed).then_some(())
}

/// The other outcomes of an opening handshake.
fn refuse() -> Option<()> {
    let mut wire = [0; 512];
    let request =
        b"GET http://[::1]:80/a?b HTTP/1.1\r\nHost: [::ffff:1.2.3.4]:80\r\nOrigin: null\r\nUpgrade: websocket\r\n\r\n";
    let mut handshake = server::Handshake::with_storage(Config::new(), store(), store());
    handshake.read(&mut on_the_wire(&mut wire, request)?).then_some(())?;
    let request = handshake.into_request().ok()?;
    let parts = (request.method(), request.path(), request.query(), request.is_upgrade());
    let headers = request.headers();
    let Header { name, value } = headers.clone().next()?;
    let is_right = parts == ("GET", "/a", Some("b"), true)
        && (name, value) == ("Host", b"[::ffff:1.2.3.4]:80")
        && headers.get("origin") == Some(b"null")
        && headers.tokens("upgrade").count() == 1;
    let mut out = store();
    let refusal = request.upgrade().err()?;
    refusal.response().write(&mut out).ok()?;
    if !is_right || !out.as_slice().starts_with(b"HTTP/1.1 400 ") {
        return None;
    }

    let headers = [
        ("Host", "h"),
        ("Upgrade", "websocket"),
        ("Connection", "upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "a, b"),
    ];
    let request = server::Request::from_parts_with_storage(Config::new(), "GET", "/", headers, store(), store());
    let upgrade = request.ok()?.upgrade().ok()?;
    upgrade.check_origin(&["https://example.com"]).ok()?;
    let subprotocol = upgrade.select_subprotocol(&["b"]);
    let accept = server::Accept::new().subprotocol(subprotocol).headers(&[("X-A", "b")]);
    let count = upgrade.response_headers(&accept).ok()?.count();
    let connection = upgrade.accept(&accept).ok()?;
    let accepted = b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let response = connection.sender.pending();
    (count == 5 && response.windows(accepted.len()).any(|part| part == accepted)).then_some(())
}

/// Chunks, the connection's own buffer, owned replies, and wrong bytes.
fn stream() -> Option<()> {
    let (server, mut client) = open()?;
    let Connection { receiver: mut rx, sender: mut tx } = server;
    client.sender.send_binary(&[7; 200]).ok()?;
    let sent = client.sender.vectored_frame("κ").ok()?.parts().iter().map(|part| part.len()).sum::<usize>();
    client.sender.send_pong(b"").ok()?;
    client.sender.send_binary_fragment(b"x", false).ok()?;
    client.sender.send_binary_fragment(b"y", true).ok()?;
    client.sender.send_ping(b"!").ok()?;
    let mut buffer = ReadBuffer::new([0; 150]);
    let (mut bytes, mut pings) = (0, 0);
    let mut reply: Option<OwnedReply> = None;
    while !client.sender.is_empty() {
        let count = copy(client.sender.pending(), buffer.room_for(&mut rx));
        client.sender.consume(count);
        let mut input = buffer.received(count);
        let mut keep = |owed: websocket_proto::Reply<'_>| reply = Some(owed.to_owned());
        while let Some(event) = rx.next_chunk(&mut input, &mut keep) {
            match event {
                ChunkEvent::Binary(Chunk { data, .. }) => bytes += data.len(),
                ChunkEvent::Text(Chunk { data, .. }) => bytes += data.len(),
                ChunkEvent::Ping(_) | ChunkEvent::Pong(_) => pings += 1,
                _ => return None,
            }
        }
    }
    tx.reply(&reply?);
    let mut frame = *b"\x82\x80\0\0\0\0\xC1\x80\0\0\0\0";
    MaskingKey([1; 4]).apply(frame.last_chunk_mut::<4>()?);
    let mut input = Input::new(&mut frame);
    let whole = matches!(rx.next_message(&mut input, &mut tx), Some(Event::Binary(b"")));
    let failed = matches!(rx.next_message(&mut input, &mut tx), Some(Event::Failed(_)));
    let answered = tx.pending().starts_with(b"\x8A\x01!\x88");
    rx.release();
    tx.release();
    let ended = matches!(rx.end_of_input(), Err(UncleanEnd::Failed(_)));
    (sent > 0 && bytes == 204 && pings == 2 && whole && failed && answered && ended).then_some(())
}

/// Extended CONNECT, as lists of headers.
fn lists() -> Option<()> {
    let request = client::Request::new(Uri::parse("wss://example.com/a?b").ok()?).subprotocols(&["c", "d"]);
    let keys: Keys = || [1, 2, 3, 4];
    let offer = client::Offer::extended_connect_with_storage(Config::new(), &request, keys, store(), store()).ok()?;
    let request = server::Request::from_header_list_with_storage(Config::new(), offer.headers(), store(), store());
    let upgrade = request.ok()?.upgrade().ok()?;
    let accept = server::Accept::new().subprotocol(upgrade.select_subprotocol(&["d"]));
    let response = offer.response(upgrade.status(), upgrade.response_headers(&accept).ok()?).ok()?;
    let is_right = response.subprotocol() == Some("d") && response.status() == 200;
    let (mut server, client) = (upgrade.into_connection().ok()?, response.upgrade().ok()?);
    server.sender.send_text("x").ok()?;
    let tunnel = Connection::server_without_handshake(Config::new(), store(), store()).ok()?;
    (is_right && client.sender.is_empty() && tunnel.sender.is_open()).then_some(())
}

/// Both kinds of proxy, with credentials.
fn tunnels() -> Option<()> {
    let (uri, credentials) = Uri::parse_with_credentials(black_box("ws://b%6Fb:secret@example.com/")).ok()?;
    let request = client::Request::new(uri).credentials(credentials);
    let keys: Keys = || [1, 2, 3, 4];
    let handshake = client::Handshake::with_storage(Config::new(), &request, keys, store(), store()).ok()?;
    let told = handshake.pending().ends_with(b"\r\nAuthorization: Basic Ym9iOnNlY3JldA==\r\n\r\n");
    let request = proxy::Request::new(uri).credentials(Credentials::new(black_box("ann"), black_box("secret")));
    let mut connect = proxy::Connect::with_storage(Config::new(), &request, store(), store()).ok()?;
    let asked = connect.pending().ends_with(b"\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n\r\n");
    connect.consume(usize::MAX);
    let mut wire = [0; 512];
    connect.read(&mut on_the_wire(&mut wire, black_box(b"HTTP/1.1 200 OK\r\n\r\n"))?).then_some(())?;
    connect.into_tunnel().ok()?;

    let mut socks = proxy::Socks5::new(&request).ok()?;
    let answers: [&[u8]; 3] = black_box([&[5, 2], &[1, 0], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]]);
    for answer in answers {
        socks.consume(socks.pending().len());
        let _ = socks.read(&mut on_the_wire(&mut wire, answer)?);
    }
    socks.into_tunnel().ok()?;
    (told && asked).then_some(())
}

/// A frame in pieces, and what a clock and a log need.
fn time() -> Option<()> {
    let now = |seconds| black_box(Duration::from_secs(seconds));
    let (mut server, mut client) = open()?;
    let mut watch = Watch::new(Patience::new().closing(Some(now(10))), now(0));
    let mut traffic = Traffic::new();
    watch.check_opening(now(1)).ok()?;
    server.sender.begin_frame(Kind::Text, black_box(9)).ok()?;
    server.sender.send_payload("in ").ok()?;
    server.sender.send_payload("pieces").ok()?;
    watch.check(&mut server.sender, now(30)).ok()?;
    traffic.add_sent(server.sender.pending());
    let mut wire = [0; 512];
    let mut input = on_the_wire(&mut wire, server.sender.pending())?;
    let count = server.sender.pending().len();
    server.sender.consume(count);
    watch.wrote(count, server.sender.backlog(), now(31));
    while client.receiver.next_message(&mut input, &mut client.sender).is_some() {}
    let mut wire = [0; 512];
    let mut input = on_the_wire(&mut wire, client.sender.pending())?;
    watch.reading(true, now(32));
    watch.heard(now(32));
    traffic.add_received(&input);
    while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
        if let Event::Pong(payload) = event {
            watch.pong(payload, now(33));
        }
    }
    let passed = (traffic.sent().frames, traffic.received().pongs, watch.round_trip(), watch.smoothed_round_trip());
    server.sender.close(CloseCode::SERVICE_RESTART, "").ok()?;
    watch.check(&mut server.sender, now(34)).ok()?;
    watch.check(&mut server.sender, now(99)).ok()?;
    let given_up = watch.check(&mut server.sender, now(99 + 1)).err()?;
    let outcome = server.outcome().or_timed_out(given_up);
    let mut backoff = Backoff::new();
    backoff.up(now(0));
    let keys: Keys = || [0; 4];
    let delay = backoff.delay(Retry::after_code(outcome.code()), now(1), &mut { keys })?;
    let ended = (outcome.code(), outcome.closes().sent(), delay);
    // This side has sent a Close frame, so it does not reconnect.
    let is_over = outcome.retry() == Retry::Never;
    (is_over && passed == (2, 1, Some(now(2)), Some(now(2))) && ended == (1006, Some(1012), Duration::ZERO))
        .then_some(())
}

#[cfg(not(feature = "alloc"))]
fn with_an_allocator() -> i32 {
    0
}

#[cfg(feature = "alloc")]
fn with_an_allocator() -> i32 {
    extern crate alloc;
    use alloc::vec::Vec;
    use core::alloc::{GlobalAlloc, Layout};

    struct Malloc;

    unsafe extern "C" {
        fn malloc(size: usize) -> *mut u8;
        fn free(pointer: *mut u8);
    }

    // Only byte arrays are requested, so any alignment is right.
    unsafe impl GlobalAlloc for Malloc {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            unsafe { malloc(layout.size()) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
            unsafe { free(pointer) }
        }
    }

    #[global_allocator]
    static MALLOC: Malloc = Malloc;

    let mut out = Vec::new();
    i32::from(server::Response::new(404).write(&mut out).is_err() || !out.starts_with(b"HTTP/1.1 404 Not Found\r\n"))
}
