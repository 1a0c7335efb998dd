//! Keeps effects of the C library out of the figures that depend on chance, or on the order of the cases.

use std::{env, hint::black_box, time::Instant};

/// Must be called before everything else, because it may start this program again.
pub fn prepare() {
    #[cfg(target_os = "linux")]
    choose_memcpy();
    use_large_blocks();
}

/// glibc copies 2 KiB and more with `rep movsb`. On some processors (Zen 3 and 4) this takes ten times as long when the
/// destination's offset in its page is a little larger than the source's. Which library is hit depends on the allocator
/// and says nothing about the library. So `rep movsb` is turned off there, which only an environment variable can do.
/// If the user has set the variable, nothing is changed.
#[cfg(target_os = "linux")]
fn choose_memcpy() {
    use std::{os::unix::process::CommandExt, process::Command};

    const TUNABLES: &str = "GLIBC_TUNABLES";
    if env::var_os(TUNABLES).is_none()
        && copies_depend_on_chance()
        && let Ok(program) = env::current_exe()
    {
        let setting = "glibc.cpu.x86_rep_movsb_threshold=1073741824";
        // It returns only if the program cannot be started again.
        let _ = Command::new(program).args(env::args_os().skip(1)).env(TUNABLES, setting).exec();
    }
}

/// Whether a copy takes three times as long with such offsets.
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

/// At first, glibc takes each large block from the system and gives it back, each time with fresh pages. It stops once
/// a large block has been freed. In a process that has run for a while, this has happened.
fn use_large_blocks() {
    drop(black_box(vec![1_u8; (32 << 20) - (64 << 10)]));
}
