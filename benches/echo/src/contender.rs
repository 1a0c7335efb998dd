//! Builds and starts the servers, and asks the kernel for their costs.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    build: Build,
}

enum Build {
    /// A binary of this package, which cargo has built.
    Rust,
    /// C++ from `cpp/`, with the sources in this crate's package.
    UWebSockets,
    /// C++ from `cpp/`, with Boost's headers from the system.
    Beast,
}

const fn rust(name: &'static str) -> Contender {
    Contender { name, build: Build::Rust }
}

pub(crate) const CONTENDERS: &[Contender] = &[
    rust("websocket-proto"),
    rust("tungstenite"),
    rust("fastwebsockets"),
    rust("tokio-websockets"),
    rust("web-socket"),
    rust("sockudo-ws"),
    rust("yawc"),
    rust("wtx"),
    Contender { name: "uwebsockets", build: Build::UWebSockets },
    Contender { name: "beast", build: Build::Beast },
];

/// The crate whose package contains the sources of uWebSockets.
const UWEBSOCKETS: &str = "libuwebsockets-sys";

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// A server that listens, until this is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// Builds the other binaries of this package. `cargo run` has built only the harness.
pub(crate) fn build_ours() -> Result<()> {
    let harness = env::current_exe()?;
    let folder = harness.parent().ok_or("the harness is in no folder")?;
    let profile = match folder.file_name() {
        Some(name) if name == "debug" => "dev".as_ref(),
        Some(name) => name,
        None => "release".as_ref(),
    };
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--bins", "--profile"]).arg(profile);
    if let Some(target) = folder.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    execute(cargo.current_dir(PACKAGE))
}

/// Raises the limit on open files for this process and its children to this number, or as far as allowed. Returns the
/// new limit.
pub(crate) fn raise_file_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Only root may raise the maximum.
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted as u64));
    for maximum in [maximum, limit.maximum] {
        if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
            break;
        }
    }
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

impl Contender {
    pub(crate) fn build(&self) -> Result<()> {
        let cpp = Path::new(PACKAGE).join("cpp");
        let time = |path: PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
        let (built, written) = (time(self.executable()?), time(cpp.join(self.name).with_extension("cpp")));
        if built > written {
            return Ok(());
        }
        match self.build {
            Build::Rust => Ok(()),
            Build::UWebSockets => {
                let source = uwebsockets()?;
                let sockets = source.join("uSockets/src");
                let mut objects = Vec::new();
                for file in ["bsd", "context", "loop", "socket", "udp", "eventing/epoll_kqueue"] {
                    let object = self.executable()?.with_extension(format!("{}.o", file.replace('/', "-")));
                    let mut cc = Command::new("cc");
                    cc.args(["-O3", "-flto", "-w", "-DLIBUS_NO_SSL", "-c", "-o"]).arg(&object);
                    execute(cc.arg("-I").arg(&sockets).arg(sockets.join(file).with_extension("c")))?;
                    objects.push(object);
                }
                let mut cxx = cxx();
                cxx.args(["-flto", "-DLIBUS_NO_SSL", "-DUWS_NO_ZLIB"]).arg("-I").arg(source.join("src"));
                cxx.arg("-I").arg(&sockets).arg(cpp.join("uwebsockets.cpp")).args(&objects);
                execute(cxx.arg("-o").arg(self.executable()?))
            }
            Build::Beast => execute(cxx().arg(cpp.join("beast.cpp")).args(["-pthread", "-o"]).arg(self.executable()?)),
        }
    }

    /// It is in the folder of the harness.
    fn executable(&self) -> Result<PathBuf> {
        Ok(env::current_exe()?.with_file_name(self.name))
    }

    pub(crate) fn start(&self) -> Result<Running> {
        let mut child = Command::new(self.executable()?)
            .args(["--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Some log the end of every connection.
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("listening on ws://").and_then(|rest| rest.strip_suffix('/'));
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{} did not say where it listens: {line:?}", self.name).into());
        };
        Ok(Running { child, address })
    }
}

impl Running {
    /// The seconds that it has run on a CPU, to the nanosecond, because the ticks of `stat` are too coarse.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(&self.child.id().to_string())
    }

    pub(crate) fn resident_bytes(&self) -> Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? << 10)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machine that this runs on.
pub(crate) fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let mut models = cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (_, model) = models.next().unwrap_or(("", "CPU unknown"));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let linux = release.trim().split('-').next().unwrap_or_default();
    Ok(format!("{model}, {} CPUs, Linux {linux}", thread::available_parallelism()?))
}

/// The seconds that the main thread of a process has run on a CPU. A server has no other thread.
pub(crate) fn cpu_seconds(process: &str) -> Result<f64> {
    let schedstat = fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    let nanoseconds: f64 = schedstat.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn cxx() -> Command {
    let mut cxx = Command::new("c++");
    cxx.args(["-O3", "-std=c++20", "-w"]);
    cxx
}

/// The folder in which cargo has put the sources of uWebSockets.
fn uwebsockets() -> Result<PathBuf> {
    let metadata = cargo().args(["metadata", "--format-version", "1"]).current_dir(PACKAGE).output()?;
    let metadata = String::from_utf8(metadata.stdout)?;
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let manifest = manifests.map(Path::new).find(|path| path.to_string_lossy().contains(UWEBSOCKETS));
    let package = manifest.and_then(Path::parent).ok_or("the sources of uWebSockets are missing")?;
    Ok(package.join("uWebSockets"))
}

fn execute(command: &mut Command) -> Result<()> {
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().to_string_lossy();
    let error = errors.lines().find(|line| line.contains("error")).or(errors.lines().next());
    Err(format!("{program} failed: {}", error.unwrap_or_default()).into())
}
