//! The line above the tables: what the figures depend on besides the code.

use std::{env, fs, process::Command, thread};

use crate::{count, options::Options};

/// The machine, the C library, the date, the compiler and the command line.
pub fn line(options: &Options) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let value = cpu.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        value.map_or("", |(_, value)| value.trim())
    };
    let model = field("model name");
    let flags: Vec<_> = field("flags").split(' ').filter(|flag| ["avx2", "avx512f"].contains(flag)).collect();
    let mut parts = vec![if model.is_empty() { env::consts::ARCH.to_owned() } else { model.to_owned() }];
    parts.push(format!("{} CPUs", thread::available_parallelism().map_or(0, usize::from)));
    parts.push(if flags.is_empty() { "neither avx2 nor avx512f".to_owned() } else { flags.join(" ") });
    parts.extend(says("getconf", &["GNU_LIBC_VERSION"]));
    let tunables = if options.counts { Some(count::TUNABLES.to_owned()) } else { env::var("GLIBC_TUNABLES").ok() };
    parts.extend(tunables.map(|tunables| format!("GLIBC_TUNABLES={tunables}")));
    parts.extend(says("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    parts.push(env!("RUSTC_VERSION").to_owned());
    parts.extend(cfg!(debug_assertions).then(|| "not optimized".to_owned()));
    parts.extend(cfg!(feature = "sha1").then(|| "with the feature `sha1`".to_owned()));
    parts.push(format!("`{}`", command_line(env::args().skip(1))));
    parts.join("; ")
}

/// The first line that a program prints.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

/// The command line, quoted for a shell.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,:/".contains(&byte);
    let quoted = arguments.map(|argument| match argument.bytes().all(is_plain) && !argument.is_empty() {
        true => argument,
        false => format!("'{argument}'"),
    });
    ["peers-bench".to_owned()].into_iter().chain(quoted).collect::<Vec<_>>().join(" ")
}
