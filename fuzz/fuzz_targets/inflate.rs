//! Any bytes from a client that agreed on compression: the messages and the place of the failure are those of another
//! decoder, in every cut.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use websocket_proto::{Connection, Server, Storage};
use websocket_proto_fuzz::{
    connect,
    deflate::{POOL, Wanted},
    naive::Compression,
    receiver::{self, check, compare, fixed_store},
};

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    wanted: Wanted,
    received: receiver::Case<'a>,
}

fuzz_target!(|case: Case<'_>| {
    let Case { wanted, received } = case;
    let config = received.plan.config().deflate(wanted.deflate());
    if received.plan.is_fixed() {
        both(&received, || connect(config, fixed_store).1);
    } else {
        both(&received, || connect(config, Vec::new).1);
    }
});

fn both<S: Storage>(received: &receiver::Case<'_>, server: impl Fn() -> Connection<Server, S, S>) {
    let compression = server().receiver.compression().map(|agreement| Compression {
        window: 1 << agreement.receive_window.get(),
        takeover: agreement.receive_takeover,
    });
    assert!(compression.is_some(), "both want it");
    POOL.clear();
    check(received, &server, true, compression);
    compare(received, &server);
    POOL.clear();
}
