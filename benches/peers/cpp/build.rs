//! Compiles the peers whose sources or headers are there, and says which are left out.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The crate whose package contains the sources of uWebSockets.
const UWEBSOCKETS: &str = "libuwebsockets-sys-";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=native");
    for name in ["uwebsockets", "wslay", "beast"] {
        println!("cargo::rustc-check-cfg=cfg({name})");
    }
    if !accepts(&build(), "#include <vector>") {
        println!("cargo::warning=no C++20 compiler: all C++ peers are left out");
        return;
    }
    let mut found = false;
    let mut add = |name: &str, file: &str, build: cc::Build| {
        compile(build, file);
        println!("cargo::rustc-cfg={name}");
        found = true;
    };

    if let Some(source) = uwebsockets() {
        let mut build = build();
        build.define("LIBUS_NO_SSL", None).define("UWS_NO_ZLIB", None);
        build.include(source.join("src")).include(source.join("uSockets/src"));
        add("uwebsockets", "uwebsockets", build);
    } else {
        println!("cargo::warning=uWebSockets is left out: cargo has not fetched its sources");
    }
    if accepts(&build(), "#include <wslay/wslay.h>") {
        add("wslay", "wslay", build());
    } else {
        println!("cargo::warning=wslay is left out: no wslay/wslay.h (Debian: libwslay-dev)");
    }
    if accepts(&build(), "#include <boost/beast/version.hpp>\n#include <boost/asio/version.hpp>") {
        add("beast", "beast", build());
    } else {
        println!("cargo::warning=Beast is left out: no boost/beast.hpp (Debian: libboost-dev)");
    }
    if found {
        // Must be linked after the objects that need it.
        compile(build(), "peer");
        if env::var_os("CARGO_CFG_UNIX").is_some() {
            println!("cargo::rustc-link-lib=pthread");
        }
    }
}

fn build() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").opt_level(3).debug(false).define("NDEBUG", None).warnings(false).include("native");
    build
}

fn compile(mut build: cc::Build, file: &str) {
    build.file(Path::new("native").join(file).with_extension("cpp")).compile(&format!("cpp_peers_{file}"));
    // Must be linked after the object that needs it.
    if file == "wslay" {
        println!("cargo::rustc-link-lib=wslay");
    }
}

/// Whether the compiler has these headers.
fn accepts(build: &cc::Build, code: &str) -> bool {
    let Some(out) = env::var_os("OUT_DIR") else { return false };
    let file = Path::new(&out).join("probe.cpp");
    let Ok(compiler) = build.try_get_compiler() else { return false };
    if fs::write(&file, format!("{code}\n")).is_err() {
        return false;
    }
    let mut command = compiler.to_command();
    command.arg("-fsyntax-only").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The folder in which cargo has put the sources of uWebSockets.
fn uwebsockets() -> Option<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO")?);
    cargo.args(["metadata", "--format-version", "1"]).current_dir(env::var_os("CARGO_MANIFEST_DIR")?);
    let metadata = String::from_utf8(cargo.output().ok()?.stdout).ok()?;
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let manifest = manifests.map(Path::new).find(|path| path.to_string_lossy().contains(UWEBSOCKETS))?;
    let source = manifest.parent()?.join("uWebSockets");
    source.join("src/WebSocketProtocol.h").is_file().then_some(source)
}
