//! An example as a process.

use std::{
    process::Child,
    thread,
    time::{Duration, Instant},
};

#[cfg(unix)]
pub fn signal(name: &str, process: &Child) {
    let kill = format!("kill -{name} {}", process.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// The exit code, if it ends by itself in time; `None` if a signal has ended it.
#[allow(dead_code, reason = "without signals, not all tests wait for an end")]
pub fn exit_code(process: &mut Child, patience: Duration) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(status) = process.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not end");
}
