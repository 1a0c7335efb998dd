"""Prints the sizes of the images in a folder, and the memory that they use when they run, as Markdown."""

import re
import subprocess
import sys
from pathlib import Path

import test

WORK = Path(sys.argv[1])
ROLES = ["client", "server", "both"]


def sections(image):
    output = subprocess.run(["arm-none-eabi-size", "-A", str(WORK / image)], capture_output=True, text=True, check=True)
    found = dict(re.findall(r"^(\.\w+) +(\d+) ", output.stdout, re.M))
    return {name: int(found.get(name, 0)) for name in (".text", ".rodata", ".data", ".bss")}


def run(image, roles):
    """The numbers that the image reports at the end of the conversation with a real peer."""
    peers = (test.good_server if roles != "server" else None, test.good_client if roles != "client" else None)
    peers = [peer and test.Peer(peer) for peer in peers]
    status, said = test.firmware(image, *peers)
    for peer in filter(None, peers):
        peer.done()
    test.check(f"exit status of {image} (it said {said})", status, 0)
    return {name: int(number) for name, number in re.findall(r"^([\w ]+): (\d+)$", "\n".join(said), re.M)}


def main():
    frame = sections("nothing")
    print(f"start-up and reports, taken off below: {frame['.text']} .text, {frame['.rodata']} .rodata\n")
    print("| | .text | .rodata | .data | .bss (buffers) | state | deepest stack |")
    print("|-|-|-|-|-|-|-|")
    for library, prefix in (("websocket-proto", ""), ("embedded-websocket", "peer-")):
        for roles in ROLES:
            image = prefix + roles
            size, numbers = sections(image), run(image, roles)
            state = max(number for name, number in numbers.items() if name.endswith("state"))
            cells = [f"`{library}`, {roles}", size[".text"] - frame[".text"], size[".rodata"] - frame[".rodata"]]
            cells += [size[".data"], size[".bss"], state, numbers["stack"]]
            print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except test.Failure as failure:
        sys.exit(f"FAILED: {failure}")
