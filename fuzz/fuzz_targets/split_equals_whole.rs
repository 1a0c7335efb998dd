//! The same bytes, whole and cut: the same messages, replies, failure and end, in both roles, as whole messages and
//! chunks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::{
    connect,
    receiver::{Case, compare, fixed_store},
};

fuzz_target!(|case: Case<'_>| {
    let is_server = case.plan.flags & 0x80 != 0;
    let config = case.plan.config();
    match (is_server, case.plan.is_fixed()) {
        (true, true) => compare(&case, || connect(config, fixed_store).1),
        (true, false) => compare(&case, || connect(config, Vec::new).1),
        (false, true) => compare(&case, || connect(config, fixed_store).0),
        (false, false) => compare(&case, || connect(config, Vec::new).0),
    }
});
