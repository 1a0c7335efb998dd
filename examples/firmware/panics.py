"""Lists the calls of the panic machinery in these images of a folder: the source line, and the function of the standard
library."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

WORK = Path(sys.argv[1])
ROOT = Path(__file__).resolve().parents[2]
MACHINERY = re.compile(r"core::panicking::|::slice_index_fail|::slice_error_fail|(option|result)::(unwrap|expect)_failed")
# The paths of a standard library's source in the debug information.
STANDARD = re.compile(r"(^|/)library/(core|alloc|std|compiler-builtins)/|^core/|compiler[-_]builtins")


def tool(name, *arguments, text=None):
    command = [f"arm-none-eabi-{name}", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def calls(image):
    """All (address, caller, callee)."""
    starts, literals, found, loads, caller = {}, {}, [], [], ""
    for line in tool("objdump", "-d", "--demangle", image).splitlines():
        if start := re.match(r"([0-9a-f]+) <(.*)>:$", line):
            caller = start[2]
            starts[int(start[1], 16)] = caller
        elif literal := re.match(r"\s*([0-9a-f]+):\s.*\.word\s+0x([0-9a-f]+)", line):
            literals[int(literal[1], 16)] = int(literal[2], 16)
        elif load := re.match(r"\s*([0-9a-f]+):.*\sldr.*\[pc,.*[@;] \(?([0-9a-f]+)", line):
            loads.append((load[1], caller, int(load[2], 16)))
        elif call := re.match(r"\s*([0-9a-f]+):\s[0-9a-f ]+\s+(?:b|cb)\S*\s.*?[0-9a-f]+ <(.*)>$", line):
            found.append((call[1], caller, re.sub(r"\+0x[0-9a-f]+$", "", call[2])))
    # A function that makes the same call often loads the address into a register. The last bit of the address means
    # "Thumb".
    for address, caller, place in loads:
        if callee := starts.get(literals.get(place, 0) - 1):
            found.append((address, caller, callee))
    return [(address, caller, callee) for address, caller, callee in found if callee != caller]


def places(image, addresses):
    """For each address its functions, innermost first, as (function, file, line)."""
    output = tool("addr2line", "-afiCe", image, text="\n".join(addresses))
    found = {}
    for address, block in zip(addresses, re.split(r"^0x[0-9a-f]+\n", output, flags=re.M)[1:]):
        lines = block.splitlines()
        frames = []
        for function, place in zip(lines[::2], lines[1::2]):
            file, _, line = re.sub(r" \(.*", "", place).rpartition(":")
            frames.append((function, file, line))
        found[address] = frames
    return found


def main(image):
    all_calls = calls(image)
    frames = places(image, [address for address, _, _ in all_calls])

    def ours(address):
        """The innermost frame outside the standard library."""
        return next((frame for frame in frames[address] if not STANDARD.search(frame[1]) and frame[1] != "??"), None)

    # The functions that lead to a panic: the machinery, and the functions of the standard library that call it and were
    # not inlined.
    leads = {callee for _, _, callee in all_calls if MACHINERY.search(callee)}
    before = 0
    while before < len(leads):
        before = len(leads)
        leads |= {caller for address, caller, callee in all_calls if callee in leads and not ours(address)}
    found = defaultdict(set)
    for address, _, callee in all_calls:
        if callee in leads and (frame := ours(address)):
            function, file, line = frame
            inner = frames[address][0][0]
            via = callee if inner == function else f"{inner} → {callee}"
            # The path of a dependency begins with its name, ours with the root of the project.
            file = re.sub(r".*/registry/src/[^/]*/", "", file).removeprefix(f"{ROOT}/")
            found[file, function].add((line, via))
    count = sum(map(len, found.values()))
    print(f"{image.name}: {count} places that call the panic machinery")
    for (file, function), ways in sorted(found.items()):
        print(f"  {file}: {short(function)}")
        for line, via in sorted(ways):
            print(f"    {line}: {short(via)}")
    return count


def short(name):
    """Without the arguments of generics."""
    for _ in range(8):
        name = re.sub(r"::<[^<>]*>|(?<=\w)<[^<>]*>", "", name)
    return name if len(name) < 160 else name[:157] + "..."


if __name__ == "__main__":
    sys.exit(min(sum([main(WORK / name) for name in sys.argv[2:]]), 1))
