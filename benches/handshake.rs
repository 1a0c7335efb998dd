//! Opening handshakes: from the bytes of the head to a connection. Reading does not change a head, so the same buffer
//! serves every iteration. Allocating and dropping the connection is part of a server's work, so it is measured, too.

mod common;

use std::hint::black_box;

use common::criterion;
use criterion::{Criterion, Throughput};
use websocket_proto::{Config, FixedStorage, Input, Storage, Uri, client, server};

fn main() {
    let mut criterion = criterion();
    handshake(&mut criterion);
    criterion.final_summary();
}

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    group.throughput(Throughput::Elements(1));

    let mut request = common::REQUEST.to_vec();
    group.bench_function("server", |bencher| {
        bencher.iter(|| accept(&mut request, usize::MAX, server::Handshake::new(Config::new())));
    });
    group.bench_function("server, without an allocator", |bencher| {
        bencher.iter(|| {
            let (head, output) = (FixedStorage::new([0; 1024]), FixedStorage::new([0; 512]));
            accept(&mut request, usize::MAX, server::Handshake::with_storage(Config::new(), head, output));
        });
    });
    group.bench_function("server, byte by byte", |bencher| {
        bencher.iter(|| accept(&mut request, 1, server::Handshake::new(Config::new())));
    });

    let mut response = response();
    group.bench_function("client", |bencher| {
        bencher.iter(|| {
            let mut handshake = ask();
            assert!(handshake.read(&mut Input::new(black_box(&mut response))));
            black_box(handshake.into_response().unwrap().upgrade().unwrap());
        });
    });
    group.finish();
}

fn accept<I: Storage, O: Storage>(request: &mut [u8], most: usize, mut handshake: server::Handshake<I, O>) {
    for piece in request.chunks_mut(most.min(request.len())) {
        if handshake.read(&mut Input::new(black_box(piece))) {
            break;
        }
    }
    let upgrade = handshake.into_request().unwrap().upgrade().unwrap();
    let subprotocol = upgrade.select_subprotocol(&["chat.v1", "chat.v2"]);
    let connection = upgrade.accept(&server::Accept::new().subprotocol(subprotocol)).unwrap();
    black_box(connection.sender.pending());
}

/// With the same key each time, so that the same response is valid.
fn ask() -> client::Handshake<impl FnMut() -> [u8; 4], Vec<u8>, Vec<u8>> {
    let request = client::Request::new(Uri::parse("ws://example.com/chat").unwrap()).subprotocols(&["chat.v2"]);
    client::Handshake::new(Config::new(), &request, || [7; 4]).unwrap()
}

fn response() -> Vec<u8> {
    let mut handshake = server::Handshake::new(Config::new());
    assert!(handshake.read(&mut Input::new(&mut ask().pending().to_vec())));
    let upgrade = handshake.into_request().unwrap().upgrade().unwrap();
    let headers = [("Server", "example"), ("Date", "Fri, 21 Nov 2025 00:00:00 GMT")];
    let accept = server::Accept::new().subprotocol("chat.v2").headers(&headers);
    upgrade.accept(&accept).unwrap().sender.pending().to_vec()
}
