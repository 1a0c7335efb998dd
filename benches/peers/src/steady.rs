//! What the C library would bring into the figures by chance, and in another order of cases otherwise.

use std::{env, hint::black_box};

/// Calls this program again where that is needed, and so comes before everything else.
pub fn prepare() {
    #[cfg(target_os = "linux")]
    choose_memcpy();
    use_large_blocks();
}

/// On some processors (Zen 3 and 4) `rep movsb`, with which glibc copies from 2 KiB up, takes ten times as long when the source is a little
/// behind the destination, counted within their pages. Whom an allocator lets that happen to says nothing about the libraries; so it is
/// turned off, which only works from the outside. Whoever has set the variable is left alone.
#[cfg(target_os = "linux")]
fn choose_memcpy() {
    use std::{os::unix::process::CommandExt, process::Command};

    const TUNABLES: &str = "GLIBC_TUNABLES";
    if env::var_os(TUNABLES).is_none()
        && let Ok(program) = env::current_exe()
    {
        let setting = "glibc.cpu.x86_rep_movsb_threshold=1073741824";
        // It returns only if it can't be done.
        let _ = Command::new(program).args(env::args_os().skip(1)).env(TUNABLES, setting).exec();
    }
}

/// Large blocks come from the system and go back to it, each time with fresh pages, until glibc has seen that they come again. In a process
/// that has lived for a while it has.
fn use_large_blocks() {
    drop(black_box(vec![1_u8; (32 << 20) - (64 << 10)]));
}
