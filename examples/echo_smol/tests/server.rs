//! The server as a process.

#[path = "../../tests/small_servers.rs"]
mod small_servers;

const PROGRAM: &str = env!("CARGO_BIN_EXE_echo_smol");

#[test]
fn a_new_user_reads_at_most_100_lines_of_code() {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let count = include_str!("../src/main.rs").lines().filter(is_code).count();
    assert!(count <= 100, "{count} lines");
}
