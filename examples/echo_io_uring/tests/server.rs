//! The server as a process.

#[path = "../../tests/small_servers.rs"]
mod small_servers;

const PROGRAM: &str = env!("CARGO_BIN_EXE_echo_io_uring");
