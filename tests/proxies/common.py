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
