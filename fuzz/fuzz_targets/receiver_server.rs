//! A server's receiver: any bytes, cut and read in any way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::{
    connect,
    receiver::{Case, check, fixed_store},
};

fuzz_target!(|case: Case<'_>| {
    let config = case.plan.config();
    if case.plan.is_fixed() {
        check(&case, || connect(config, fixed_store).1, true, None);
    } else {
        check(&case, || connect(config, Vec::new).1, true, None);
    }
});
