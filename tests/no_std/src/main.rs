//! Two endpoints without `std`: they shake hands, talk in fragments, and close. Exit code 0 when all went well.
#![no_std]
#![no_main]

use websocket_proto::{
    Client, Config, Connection, Event, FixedStorage, Input, Server, Transport, Uri, client, frame::CloseCode, server,
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    abort()
}

// The library that comes with the compiler was built to unwind. This program doesn't, but has to name what would.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[link(name = "c")]
unsafe extern "C" {
    safe fn abort() -> !;
}

type Store = FixedStorage<[u8; 512]>;
type Keys = fn() -> [u8; 4];

#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    match talk() {
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
    server.read(&mut on_the_wire(&mut wire, client.pending()));
    let mut server = server.into_request().ok()?.upgrade().ok()?.accept(&server::Accept::new()).ok()?;
    client.read(&mut on_the_wire(&mut wire, server.sender.pending()));
    server.sender.consume(usize::MAX);
    Some((server, client.into_response().ok()?.upgrade().ok()?))
}

fn on_the_wire<'w>(wire: &'w mut [u8; 512], bytes: &[u8]) -> Input<'w> {
    wire[..bytes.len()].copy_from_slice(bytes);
    Input::new(&mut wire[..bytes.len()])
}

fn talk() -> Option<()> {
    let (mut server, mut client) = open()?;
    client.sender.send_text_fragment("in two ", false).ok()?;
    client.sender.ping(b"?").ok()?;
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
    (messages == 2 && closes == 1 && answered && server.sender.transport() == Transport::CloseNow).then_some(())
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

    // Bytes are all that is ever asked for.
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
