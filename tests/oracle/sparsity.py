#!/usr/bin/env python3
"""`convert --sparsity` against numpy: which weights of the shipped files are zero, for both methods; that all others are the
checkpoint's; and that quantized variants keep the zeros.

usage: sparsity.py    (BANTAM names the binary; Python with scripts/requirements-test.txt)
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from calibrate import read_statistics, wide
from onnx_weights import File, quantized_weights

ROOT = pathlib.Path(__file__).resolve().parents[2]
BANTAM = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))
MODEL = ROOT / "testdata/sst2-bert-tiny"
SHARE = 0.3
LINEARS = 6 * json.loads((MODEL / "config.json").read_text())["num_hidden_layers"]
ROLES = {"attention_q", "attention_k", "attention_v", "attention_o", "mlp_up", "mlp_down"}
DTYPES = "fp32,fp16,q8,uint8,q4"


def run(*arguments):
    subprocess.run([BANTAM, *map(str, arguments)], check=True, capture_output=True)


def shipped(bundle):
    """fp32 weights by name, with their roles, as the manifest says where they lie."""
    variant = next(v for v in json.loads((bundle / "bantam.json").read_text())["variants"] if v["dtype"] == "fp32")
    found = {}
    for tensor in variant["tensors"]:
        [part] = tensor["parts"]
        data = (bundle / part["file"]).read_bytes()[part["offset"]:part["offset"] + part["bytes"]]
        found[tensor["name"]] = (tensor["role"], np.frombuffer(data, np.float32).reshape(part["shape"]))
    return found


def moments(path):
    index, _, tensor = read_statistics(path)
    return {weight: wide(tensor(f"{number}/squares")) / site["rows"] for number, site in enumerate(index["sites"]) for weight in site["weights"]}


def check(name, dense, sparse, columns):
    thinned = 0
    for weight, (role, values) in dense.items():
        got = sparse[weight][1]
        if role not in ROLES:
            assert np.array_equal(got, values), f"{name}: {weight} was changed"
            continue
        thinned += 1
        scores = np.abs(values).astype(np.float64) * np.sqrt(columns[weight] if columns else np.ones(values.shape[1]))
        zeros = int(SHARE * values.shape[1])
        wanted = np.zeros(values.shape, bool)
        np.put_along_axis(wanted, np.argsort(scores, 1, kind="stable")[:, :zeros], True, 1)
        assert ((got == 0).sum(1) == zeros).all(), f"{name}: {weight} has rows with other shares of zeros"
        assert np.array_equal(got[got != 0], values[got != 0]), f"{name}: {weight} has other weights than the checkpoint"
        # Of two scores that differ by rounding alone, either may go.
        edge = np.sort(scores, 1)[:, zeros - 1:zeros]
        wrong = (wanted != (got == 0)) & (np.abs(scores / edge - 1) > 1e-5)
        assert not wrong.any(), f"{name}: {weight}: {wrong.sum()} weights of {wanted.size}"
    assert thinned == LINEARS, thinned


def main():
    folder = pathlib.Path(tempfile.mkdtemp())
    lines = (ROOT / "testdata/sentences.tsv").read_text().splitlines()[:60]
    texts = folder / "texts.tsv"
    texts.write_text("\n".join(lines) + "\n")
    run("convert", MODEL, "-o", folder / "dense", "-d", "fp32", "--no-canonical")
    run("calibrate", MODEL, "--no-canonical", "--data", texts, "-o", folder / "stats")
    dense = shipped(folder / "dense")
    run("convert", MODEL, "-o", folder / "magnitude", "-d", DTYPES, "--no-canonical", "--sparsity", SHARE)
    run("convert", MODEL, "-o", folder / "wanda", "-d", DTYPES, "--no-canonical", "--sparsity", SHARE, "--calibrate", texts)
    magnitude, wanda = shipped(folder / "magnitude"), shipped(folder / "wanda")
    check("magnitude", dense, magnitude, None)
    check("wanda", dense, wanda, moments(folder / "stats"))
    same = [float(((magnitude[w][1] == 0) == (wanda[w][1] == 0)).mean()) for w, (role, _) in dense.items() if role in ROLES]
    assert max(same) < 0.999, "the two methods choose the same weights: nothing was measured"

    # Wanda does not depend on the scaling: in the canonical one it leaves out the same.
    run("convert", MODEL, "-o", folder / "canonical", "-d", "fp32", "--sparsity", SHARE, "--calibrate", texts)
    for weight, (role, values) in shipped(folder / "canonical").items():
        if role in ROLES:
            differ = ((values == 0) != (wanda[weight][1] == 0)).mean()
            assert differ < 1e-3, f"{weight}: {differ}"

    widths = {weight: values.shape[-1] for weight, (_, values) in dense.items()}
    for bundle, exact in ((folder / "magnitude", magnitude), (folder / "wanda", wanda)):
        for dtype, suffix in (("fp16", "_fp16"), ("q8", "_quantized"), ("uint8", "_uint8"), ("q4", "_q4")):
            file = File(bundle / f"onnx/model{suffix}.onnx")
            if dtype == "fp16":
                found = {w: file.arrays[w].astype(np.float32) for w in dense if w in file.arrays}
            else:
                found = {w: q.values for w, q in quantized_weights(file, widths).items() if w in dense}
            compared = 0
            for weight, values in found.items():
                if dense[weight][0] not in ROLES:
                    continue
                compared += 1
                assert (values.reshape(exact[weight][1].shape)[exact[weight][1] == 0] == 0).all(), f"{dtype}: zeros of {weight} were filled"
            assert compared == LINEARS, (dtype, compared)
    print("zeros are where they should be, and stay")
    return 0


if __name__ == "__main__":
    sys.exit(main())
