//! The examples as programs.
//!
//! `cargo test` builds them. `cargo test --test NAME` does not: it takes those that are there, and builds one only if there is none.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// The path of an example's program.
pub fn path(name: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    // This test is target/PROFILE/deps/NAME-HASH.
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    let _one_at_a_time = BUILDING.lock();
    if !path.exists() {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--example", name, "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "cargo build --example {name}");
    }
    path
}
