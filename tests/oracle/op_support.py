#!/usr/bin/env python3
"""The table of lib/pipeline/verify/op_support_table.cc against onnxruntime-web itself: a session of one node is made for
every operator and element type, in both of its CPU builds. With --webgpu FILE also the GPU column: FILE holds what
Chromium answered ({"<model>": null or error}, session option disable_cpu_ep_fallback). With --print the table is
printed from the answers in place of being compared."""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import op_models

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "lib/pipeline/verify/op_support_table.cc"
ORDER = op_models.ALL
ROW = re.compile(r'\{"([\w.]*)", "(\w+)", "([\w ]*)", "([\w ]*)",\s*"([\w ]*)"\}')


def ask(folder, build):
    """What onnxruntime-web's wasm says to each model."""
    script = ROOT / "tests/js/support/load_models.js"
    result = subprocess.run([os.environ.get("BANTAM_NODE", "node"), script, folder, build], capture_output=True, text=True, timeout=550)
    if result.returncode != 0:
        sys.exit(f"{script.name} {build} failed:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout)


def has_kernel(error):
    """An adapter without shader-f16 (SwiftShader) finds the kernel and fails on its source."""
    return error is None or "shader_helper.cc" in error


def columns(models, *answers):
    """{(domain, op): [types of each column]}: a type that every variant of the operator has."""
    passed = collections.defaultdict(lambda: [collections.defaultdict(list) for _ in answers])
    for file, (domain, op, _, dtype) in models.items():
        for column, answer in zip(passed[domain, op], answers):
            column[dtype].append(has_kernel(answer[file]))
    return {key: [" ".join(t for t in ORDER if column[t] and all(column[t])) for column in row] for key, row in passed.items()}


def table():
    text = TABLE.read_text()
    return {(domain, op): [wasm, asyncify, webgpu] for domain, op, wasm, asyncify, webgpu in ROW.findall(text)}


def stated_version():
    return re.search(r'kOrtWeb = "([^"]+)"', (ROOT / "lib/pipeline/verify/op_support.h").read_text())[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--webgpu", type=pathlib.Path)
    parser.add_argument("--print", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = op_models.write_models(folder)
        answers = [ask(folder, "plain"), ask(folder, "asyncify")]
    if arguments.webgpu:
        answers.append(json.loads(arguments.webgpu.read_text()))
    found = columns(models, *answers)
    if arguments.print:
        for (domain, op), row in sorted(found.items()):
            print(f'    {{"{domain}", "{op}", ' + ", ".join(f'"{types}"' for types in row) + "},")
        return
    versions = {answer["version"] for answer in answers}
    assert all(version.startswith(stated_version()) for version in versions), (versions, stated_version())
    known = table()
    assert len(known) > 100, len(known)
    wrong = []
    for key in sorted(set(known) | set(found)):
        for i in range(len(answers)):
            row, expected = known.get(key), found.get(key)
            if row is None or expected is None or row[i] != expected[i]:
                wrong.append(f"{key}: column {i}: the table has {row}, onnxruntime-web {expected}")
    assert not wrong, "\n".join(wrong)
    print(f"{len(models)} sessions in each of {len(answers)} builds of onnxruntime-web {versions.pop()} agree with {len(known)} rows")


if __name__ == "__main__":
    main()
