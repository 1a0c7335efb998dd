# Functions for `run` and `size`. Debian's compiler package includes the library source, so a Cortex-M build needs no
# rustup.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/target}
work=$target/work
machine=thumbv7m-none-eabi
export PYTHONDONTWRITEBYTECODE=1

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# Runs a step silently unless it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$*"; }
}

prepare() {
    mkdir -p "$work"
    "$here/../../.ci/install" qemu-system-arm binutils-arm-none-eabi rustc-web cargo-web rust-web-src python3-venv
    if ! cmp -s "$here/requirements.txt" "$work/venv/requirements.txt"; then
        echo "installing: $(tr '\n' ' ' <"$here/requirements.txt")"
        quietly python3 -m venv --clear "$work/venv"
        quietly "$work/venv/bin/python" -m pip install -q -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$work/venv/requirements.txt"
    fi
}

# build NAME BIN FEATURES: an image at $work/NAME
build() {
    echo "building $1"
    (
        cd "$here"
        export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_THUMBV7M_NONE_EABI_LINKER=arm-none-eabi-ld
        quietly /usr/bin/cargo build --release --locked -Zbuild-std=core --target "$machine" --target-dir "$target" \
            --bin "$2" --features "$3"
    )
    cp "$target/$machine/release/$2" "$work/$1"
}
