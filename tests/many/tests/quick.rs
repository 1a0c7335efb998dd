//! The quick run.

use std::process::Command;

#[test]
fn nothing_is_lost_and_all_close_cleanly() {
    let output = Command::new(env!("CARGO_BIN_EXE_many")).args(["--quick", "--websockets", "400"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(table.lines().filter(|line| line.contains("µs")).count(), 3, "{table}");
}
