"""Code that the tests with proxies share. Python's standard library is all this needs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"  # servers are not in everybody's PATH


class Failure(Exception):
    """A failed check; its text is for the reader."""


def check(name, passed, output=""):
    if not passed:
        raise Failure(f"{name}: {output}" if output else name)
    print(f"ok   {name}", flush=True)


def need(programs):
    """Installs these programs, each with the name of its Debian package, unless all are there."""
    def missing():
        return [program for program in programs if not shutil.which(program, path=PATH)]

    if missing():
        subprocess.run([ROOT / ".ci" / "install", *programs.values()])
    if missing():
        sys.exit(f"FAIL missing, and could not be installed: {' '.join(missing())}")


def build(package, *options):
    """Builds an example and returns its path, wherever cargo's settings put it."""
    command = ["cargo", "build", "-p", package, *options, "--message-format=json-render-diagnostics"]
    for line in subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == package:
            return message["executable"]
    raise Failure(f"cargo named no executable for {package}")


def start(context, command, **options):
    """Starts a process, which is ended when the context is."""
    process = subprocess.Popen([str(part) for part in command], **options)
    context.callback(end, process)
    return process


def end(process):
    # Politely at first: squid leaves shared memory behind if it is killed.
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def make_certificate(folder, name, *options):
    """Makes NAME.pem, and NAME.key with its key. Returns both files."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", *options, "-out", certificate, "-keyout", key],
                   check=True, capture_output=True)
    return certificate, key


def of(*names):
    """The options for a certificate of no authority, but of these names, such as DNS:NAME or IP:ADDRESS."""
    return "-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"subjectAltName={','.join(names)}"
