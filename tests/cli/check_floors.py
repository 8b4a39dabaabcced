#!/usr/bin/env python3
"""Checks the architecture: includes go down the floors, heavy headers stay in .cc files, no file outgrows its purpose,
and kernels compiled for one instruction set leak nothing into the rest of the program.

usage: check_floors.py SOURCE_DIR [ISA_OBJECTS_FILE]   (a file that lists object files, one per line)
Exit code: 0 clean, 1 with one line per finding.
"""
import pathlib
import re
import subprocess
import sys

FLOORS = {"base": 0, "graph": 1, "convert": 2, "quantize": 2, "runtime": 2, "shard": 2, "calibrate": 3, "pipeline": 4}
# Headers of other libraries: who may include them. A header of ours may include json_fwd.hpp only.
HEAVY = re.compile(r"nlohmann/(?!json_fwd\.hpp)|google/protobuf/|onnx/|.*\.pb\.h|Eigen/|CLI/|spdlog/|valijson/")
FORBIDDEN_IN_LIB = {"regex": "std::regex is slow to compile and to run", "iostream": "lib/ prints nothing",
                    "CLI/CLI.hpp": "options belong to apps/", "spdlog/spdlog.h": "lib/ does not log"}
MOST_LINES = 400
# Files that may be longer, each with its reason. Keep it empty.
LONGER = {}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def findings_in(path, text):
    """What is wrong with one file; `path` is relative to the root of the sources."""
    top, *rest = path.parts
    folder = rest[0] if top == "lib" and len(rest) > 1 else None
    lines = text.count("\n")
    if lines > LONGER.get(str(path), MOST_LINES):
        yield f"{lines} lines; at most {MOST_LINES}: look for the second noun in it"
    for match in INCLUDE.finditer(text):
        ours, theirs = match.groups()
        header = ours or theirs
        if path.suffix == ".h" and top in ("lib", "apps") and HEAVY.match(header):
            yield f"includes {header}; heavy headers belong into .cc files"
        if folder is None:
            continue
        if header in FORBIDDEN_IN_LIB:
            yield f"includes {header}; {FORBIDDEN_IN_LIB[header]}"
        if ours is None or ours.endswith(".pb.h"):
            continue
        target = ours.split("/")[0]
        if target not in FLOORS or "/" not in ours:
            yield f'includes "{ours}"; write headers of lib/ from its root, e.g. "base/error.h"'
        elif target != folder and FLOORS[target] >= FLOORS[folder]:
            kind = "a sibling" if FLOORS[target] == FLOORS[folder] else "a higher floor"
            yield f'includes "{ours}"; lib/{target} is {kind} (floor {FLOORS[target]}, here {FLOORS[folder]})'


def check_sources(root):
    files = [path for top in ("lib", "apps", "tests", "benchmarks") for path in sorted((root / top).rglob("*"))
             if path.suffix in (".cc", ".h") and "node_modules" not in path.parts]
    if len(files) < 20:
        yield f"{root}: only {len(files)} source files found; is this the root of the sources?"
    for path in files:
        relative = path.relative_to(root)
        for finding in findings_in(relative, path.read_text()):
            yield f"{relative}: {finding}"
    for folder in sorted((root / "lib").iterdir()):
        if folder.is_dir() and folder.name not in FLOORS:
            yield f"lib/{folder.name}: has no floor; give it one in tests/cli/check_floors.py"


def check_objects(list_file):
    """An inline function or template compiled with -mavx2 and chosen by the linker would run on machines without it."""
    objects = [line for line in pathlib.Path(list_file).read_text().splitlines() if line]
    if not objects:
        yield f"{list_file}: lists no object"
    for name in objects:
        symbols = subprocess.run(["nm", "-C", "--defined-only", name], text=True, capture_output=True, check=True)
        for line in symbols.stdout.splitlines():
            address, kind, symbol = line.split(maxsplit=2)
            if kind in "VvWwu" and not symbol.startswith("DW.ref.__gxx_personality"):
                yield f"{name}: weak symbol {symbol}; a kernel may not share inline code with other files"


def main(arguments):
    root = pathlib.Path(arguments[0])
    found = list(check_sources(root))
    if len(arguments) > 1:
        found += check_objects(arguments[1])
    print("\n".join(found) or "the floors hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
