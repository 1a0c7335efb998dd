//! The loops of the documentation over TLS on TCP, in both roles, and over streams in memory with the behaviour that
//! the crate page describes under "Streams". `build.rs` extracts the loops from the documentation. Also an example over
//! TLS.
#![cfg(test)]

mod client_tokio;
mod in_memory;
mod over_tls;
mod over_tls_async;
mod tls;
mod watched;

#[allow(unused, reason = "some imports and variables are for lines that were left out")]
#[allow(clippy::unit_arg, reason = "short where it is read")]
mod documented {
    macro_rules! blocks {
        ($($name:ident)*) => {
            $(pub mod $name { include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs")); })*
        };
    }
    blocks!(readme asking asynchronous reading server client sender watched);
}

#[test]
fn the_readme_and_the_crate_page_show_the_same_loop() {
    let [readme, crate_page] = [
        include_str!(concat!(env!("OUT_DIR"), "/readme.rs")),
        include_str!(concat!(env!("OUT_DIR"), "/crate_page.rs")),
    ]
    .map(|block| block.split_once("fn echo").unwrap().1);
    assert_eq!(readme, crate_page);
}
