//! Counts instructions instead of time. This program calls itself under valgrind, for one contender and one case.
//!
//! Only the instructions below [`peers_bench_counted`] count. So the set-up is left out, and every run gives the same
//! count.

use std::{env, process::Command};

use crate::{
    cases::{Case, Prepared, Work},
    check,
    contender::Seen,
    options::Options,
    run,
};

/// The payload, in bytes, and the number of messages that are enough for a count.
const ENOUGH: usize = 2 << 20;
const MESSAGES: usize = 8192;

/// Valgrind counts each byte that `rep movsb` copies or `rep stosb` sets as an instruction. With these thresholds,
/// glibc uses loops over vectors instead, and their instruction counts tell what they cost.
pub const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";

/// The instructions for each message.
pub fn count(contender: &str, case: &Case, prepared: &Prepared) -> Result<f64, String> {
    let messages = (ENOUGH / case.len).clamp(2, MESSAGES).next_multiple_of(prepared.turn.unwrap_or(1));
    let messages = match case.work {
        Work::Connections(count) => count * (1000 / count).max(1),
        _ => messages.min(prepared.measured),
    };
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=peers_bench_counted"])
        .env("GLIBC_TUNABLES", TUNABLES)
        .arg(program)
        .args(["--contender", contender, "--one", &case.full_name(), "--messages", &messages.to_string()])
        .args(["--reads", &case.reads.to_string(), "--loop", case.source.name()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<f64>().ok());
    let collected = collected.filter(|_| output.status.success());
    collected.map(|collected| collected / messages as f64).ok_or_else(|| "valgrind counted nothing".to_owned())
}

/// Runs under valgrind, in the process that [`count`] starts.
pub fn one(options: &Options, messages: usize) {
    let case = &options.cases[0];
    let mut prepared = case.prepare();
    prepared.checked = messages;
    if let Ok(Some(mut turns)) = check::open_checked(&*options.contenders[0], case, &prepared) {
        peers_bench_counted(&mut || {
            run::run(&mut turns, &prepared, messages, Seen::default());
        });
    }
}

/// Valgrind is told to count inside the function with this name.
#[unsafe(no_mangle)]
#[inline(never)]
fn peers_bench_counted(work: &mut dyn FnMut()) {
    work();
}
