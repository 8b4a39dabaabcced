#!/usr/bin/env python3
"""Writes the licences of the Rust crates that are linked into bantam, as their packages carry them, into one text.

usage: crate_notices.py CARGO MANIFEST OUTPUT [CARGO_ARGUMENT]...   (after the crates were built: works offline)
"""
import json
import pathlib
import subprocess
import sys

NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE")


def linked(metadata):
    """The packages that end up in the library: what is reached by normal dependencies, procedural macros apart."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, todo = set(), [metadata["resolve"]["root"]]
    while todo:
        at = todo.pop()
        if at in found or any("proc-macro" in target["kind"] for target in packages[at]["targets"]):
            continue
        found.add(at)
        todo += [dependency["pkg"] for dependency in nodes[at]["deps"]
                 if any(kind["kind"] is None for kind in dependency["dep_kinds"])]
    found.discard(metadata["resolve"]["root"])
    return sorted((packages[at] for at in found), key=lambda package: (package["name"], package["version"]))


def main(cargo, manifest, output, *arguments):
    version = subprocess.run([cargo, "-vV"], check=True, capture_output=True, text=True).stdout
    (host,) = (line.split()[1] for line in version.splitlines() if line.startswith("host:"))
    command = [cargo, "metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host,
               "--manifest-path", manifest]
    metadata = json.loads(subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout)
    lines, texts = ["Rust crates linked into bantam, and their licences.", ""], {}
    for package in linked(metadata):
        title = f"{package['name']} {package['version']}"
        lines.append(f"{title}: {package['license']}")
        folder = pathlib.Path(package["manifest_path"]).parent
        files = [path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern))
                 if path.is_file() and path.name.upper().startswith(NAMES)]
        if not files:
            lines[-1] += " (its package carries no text of it)"
        for path in files:
            texts.setdefault(path.read_text(errors="replace").strip(), set()).add(title)
    for text, titles in sorted(texts.items(), key=lambda item: sorted(item[1])):
        lines += ["", "=" * 100, ", ".join(sorted(titles)), "=" * 100, text]
    pathlib.Path(output).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
