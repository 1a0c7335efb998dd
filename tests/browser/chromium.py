"""Chromium, driven through chromedriver over plain WebDriver HTTP: Python's standard library is all this needs."""

import base64
import contextlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "target" / "browser"

BUILD_LIMIT = 900  # seconds
WAIT_LIMIT = 15  # for any one thing to appear

CHROMIUM_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-proxy-server", "--window-size=1360,850",
]


class Failure(Exception):
    """A failed check; its text is for the reader."""


# ---------------------------------------------------------------- processes


def start(command, **options):
    # In a separate session, so that its children can be ended, too.
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, **options)


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_until(process, pattern, limit):
    """Reads the process's output up to a line matching `pattern`."""
    seen = b""
    deadline = time.monotonic() + limit
    while True:
        match = re.search(pattern, seen.decode(errors="replace"))
        if match:
            return match
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            raise Failure(f"{process.args[0]} said nothing like {pattern!r} within {limit} s")
        chunk = os.read(process.stdout.fileno(), 4096)
        if not chunk:
            raise Failure(f"{process.args[0]} ended, having said {seen.decode(errors='replace')!r}")
        seen += chunk


def need(*programs):
    """Installs Debian's packages of these programs, unless all are there."""
    packages = [program.replace("chromedriver", "chromium-driver") for program in programs]
    if not all(map(shutil.which, programs)) and subprocess.run([ROOT / ".ci" / "install", *packages]).returncode:
        sys.exit(f"FAIL one of these is missing, and could not be installed: {' '.join(programs)}")


def build(package, *options):
    """Builds an example and returns its path, wherever cargo's settings put it."""
    done = subprocess.run(
        ["cargo", "build", "--release", "-p", package, *options, "--message-format=json-render-diagnostics"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=BUILD_LIMIT,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise Failure(f"cargo build --release -p {package} did not work")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == package:
            return message["executable"]
    raise Failure(f"cargo named no executable for {package}")


# ------------------------------------------------------------------ browsers


class Driver:
    def __init__(self):
        self.process = start(["chromedriver", "--port=0"], stderr=subprocess.DEVNULL)
        self.port = int(read_until(self.process, r"successfully on port (\d+)", WAIT_LIMIT)[1])

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failure(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value


class Browser:
    """A session with a profile of its own. `logs` are those that can be read."""

    def __init__(self, driver, profile, *flags, logs=("browser",)):
        self.driver = driver
        self.path = "/session"
        options = {"binary": shutil.which("chromium"), "args": [*CHROMIUM_FLAGS, *flags, f"--user-data-dir={profile}"]}
        session = self.call("POST", "", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {log: "ALL" for log in logs},
        }}})
        self.path = f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        return self.driver.call(method, self.path + path, body)

    def quit(self):
        self.call("DELETE", "")

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def js(self, script, *values):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(values)})

    def cdp(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def wait(self, what, script, *values, limit=WAIT_LIMIT):
        """Waits until `script` returns something true, and returns that."""
        deadline = time.monotonic() + limit
        while True:
            found = self.js(script, *values)
            if found:
                return found
            if time.monotonic() > deadline:
                raise Failure(f"not seen within {limit} s: {what}")
            time.sleep(0.05)

    def element(self, selector):
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return next(iter(found.values()))

    def click(self, selector):
        self.call("POST", f"/element/{self.element(selector)}/click", {})

    def keys(self, selector, keys):
        self.call("POST", f"/element/{self.element(selector)}/value", {"text": keys})

    def fill(self, selector, content):
        # WebDriver can only type the first 65 536 characters of Unicode.
        self.js("const e = document.querySelector(arguments[0]); e.focus(); e.select();", selector)
        self.cdp("Input.insertText", text=content)

    def view(self, width, height, dark=False, phone=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def shot(self, name):
        time.sleep(0.3)  # transitions and animations
        (SHOTS / f"{name}.png").write_bytes(base64.b64decode(self.call("GET", "/screenshot")))


# ---------------------------------------------------------------------- checks


@contextlib.contextmanager
def check(name):
    try:
        yield
    except Exception as error:
        print(f"FAIL {name}: {error}", flush=True)
        raise
    print(f"ok   {name}", flush=True)


def equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what} is {actual!r}, not {expected!r}")


def quietly(action, *values):
    with contextlib.suppress(Exception):
        action(*values)
