#[path = "../../../examples/tests/small_servers.rs"]
mod small_servers;
const PROGRAM: &str = env!("CARGO_BIN_EXE_two_tasks");
