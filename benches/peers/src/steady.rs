//! What the C library would bring into the figures by chance, and in another order of cases otherwise.

use std::{env, hint::black_box, time::Instant};

/// Calls this program again where that is needed, and so comes before everything else.
pub fn prepare() {
    #[cfg(target_os = "linux")]
    choose_memcpy();
    use_large_blocks();
}

/// On some processors (Zen 3 and 4) `rep movsb`, with which glibc copies from 2 KiB up, takes ten times as long when the source is a little
/// behind the destination, counted within their pages. Whom an allocator lets that happen to says nothing about the libraries; so there it is
/// turned off, which only works from the outside. Whoever has set the variable is left alone.
#[cfg(target_os = "linux")]
fn choose_memcpy() {
    use std::{os::unix::process::CommandExt, process::Command};

    const TUNABLES: &str = "GLIBC_TUNABLES";
    if env::var_os(TUNABLES).is_none()
        && copies_depend_on_chance()
        && let Ok(program) = env::current_exe()
    {
        let setting = "glibc.cpu.x86_rep_movsb_threshold=1073741824";
        // It returns only if it can't be done.
        let _ = Command::new(program).args(env::args_os().skip(1)).env(TUNABLES, setting).exec();
    }
}

/// Whether a copy takes three times as long when it lies so.
#[cfg(target_os = "linux")]
fn copies_depend_on_chance() -> bool {
    const PAGE: usize = 4 << 10;
    const LEN: usize = 16 << 10;
    let (from, mut to) = (vec![1; PAGE + LEN], vec![1; PAGE + LEN]);
    let front = |bytes: &[u8]| bytes.as_ptr().align_offset(PAGE);
    let (from, start) = (&from[front(&from)..][..LEN], front(&to));
    let mut time = |behind: usize| {
        let times = (0..100).map(|_| {
            let start_time = Instant::now();
            to[start..][behind..LEN].copy_from_slice(&black_box(from)[..LEN - behind]);
            black_box(&mut to);
            start_time.elapsed()
        });
        times.min().unwrap_or_default()
    };
    let far = time(PAGE / 2);
    [1, 16, 64].into_iter().any(|behind| time(behind) > 3 * far)
}

/// Large blocks come from the system and go back to it, each time with fresh pages, until glibc has seen that they come again. In a process
/// that has lived for a while it has.
fn use_large_blocks() {
    drop(black_box(vec![1_u8; (32 << 20) - (64 << 10)]));
}
