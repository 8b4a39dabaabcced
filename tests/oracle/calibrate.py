#!/usr/bin/env python3
"""Statistics of bantam calibrate against numpy on activations that onnxruntime computes.

A bundle's fp32 graph gets the inputs of all its linears as outputs; every text runs alone, so that there is no padding. The
file of statistics is read by the reader below, written from docs/formats.md.

usage: calibrate.py    (BANTAM names the binary; Python with scripts/requirements-test.txt)
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
BANTAM = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))
MODEL = ROOT / "testdata/sst2-bert-tiny"
TEXTS = 70  # three blocks, the last one not full


def read_statistics(path):
    """The index, and a function that gives a tensor by name."""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"BANTSTAT" and int.from_bytes(data[8:12], "little") == 1
    offset, size = (int.from_bytes(data[at:at + 8], "little") for at in (16, 24))
    text = data[offset:offset + size]
    assert offset + size == len(data) and hashlib.sha256(text).digest() == data[32:64]
    index = json.loads(text)
    tensors = {t["name"]: t for t in index["tensors"]}

    def tensor(name):
        entry = tensors[name]
        dtype = {"I64": np.int64, "F32": np.float32}[entry["dtype"]]
        return np.frombuffer(data, dtype, entry["bytes"] // np.dtype(dtype).itemsize, entry["offset"]).reshape(entry["shape"])
    return index, tensors, tensor


def wide(words):
    """[n, 2] words of 64 bits to numbers, in units of 2^-48."""
    return np.array([(int(high) * 2**64 + int(low) % 2**64) / 2**48 for low, high in words])


def hessian(index, tensors, tensor, site):
    width = index["sites"][site]["width"]
    total = np.zeros((width, width))
    for name in tensors:
        if name.startswith(f"{site}/products/"):
            upper = np.zeros((width, width))
            upper[np.triu_indices(width)] = tensor(name) / 2.0 ** (26 - 16 * int(name.split("/")[2]))
            total += upper + np.triu(upper, 1).T
    return total


def bins(values):
    """The number of the bin of every value: 128 per octave from 2^-16 to 2^25."""
    bits = values.astype(np.float32).view(np.uint32)
    step = np.clip((bits & 0x7FFFFFFF).astype(np.int64) // 2**16 - (127 - 16) * 128 + 1, 0, 41 * 128)
    return np.where(bits >> 31 != 0, 41 * 128 - step, 41 * 128 + step)


def main():
    folder = pathlib.Path(tempfile.mkdtemp())
    lines = (ROOT / "testdata/sentences.tsv").read_text().splitlines()[:TEXTS + 1]
    (folder / "texts.tsv").write_text("\n".join(lines) + "\n")
    run = lambda *args: subprocess.run([BANTAM, *map(str, args)], check=True, capture_output=True)  # noqa: E731
    run("convert", MODEL, "-o", folder / "bundle", "--dtype", "fp32", "--no-canonical")
    run("calibrate", MODEL, "--no-canonical", "--data", folder / "texts.tsv", "-o", folder / "stats")
    index, tensors, tensor = read_statistics(folder / "stats")

    model = onnx.load(str(folder / "bundle/onnx/model.onnx"))
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    gemms = [n for n in model.graph.node if n.op_type == "Gemm"]
    inputs = {n.input[1]: n.input[0] for n in gemms}
    known = {o.name for o in model.graph.output}
    for name in dict.fromkeys(inputs.values()):
        if name not in known:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    onnx.save(model, str(folder / "extra.onnx"), save_as_external_data=True, location="extra.data")
    session = onnxruntime.InferenceSession(str(folder / "extra.onnx"))
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "bundle/tokenizer.json"))
    tokenizer.no_padding()
    wanted = list(dict.fromkeys(inputs.values()))
    seen = {name: [] for name in wanted}
    tokens = 0
    for line in lines[1:]:
        ids = np.array([tokenizer.encode(line.split("\t")[0]).ids])
        tokens += ids.size
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        feeds = {i.name: feeds[i.name] for i in session.get_inputs()}
        for name, value in zip(wanted, session.run(wanted, feeds)):
            seen[name].append(value.reshape(-1, value.shape[-1]))

    data = index["data"][0]
    assert (data["texts"], data["tokens"], data["blocks"]) == (TEXTS, tokens, [[0, 3]]), data
    covered = [w for site in index["sites"] for w in site["weights"]]
    assert sorted(covered) == sorted(inputs), set(covered) ^ set(inputs)
    worst = dict.fromkeys(("min", "max", "absmax", "sums", "squares", "hessian", "histogram"), 0.0)
    for number, site in enumerate(index["sites"]):
        names = {inputs[w] for w in site["weights"]}
        assert len(names) == 1, names
        x = np.concatenate(seen[names.pop()]).astype(np.float64)
        assert x.shape == (site["rows"], site["width"]), (x.shape, site)
        note = lambda key, error: worst.__setitem__(key, max(worst[key], float(error)))  # noqa: E731
        size = np.abs(x).max()
        note("min", abs(site["min"] - x.min()) / size)
        note("max", abs(site["max"] - x.max()) / size)
        note("absmax", np.abs(tensor(f"{number}/absmax") - np.abs(x).max(0)).max() / size)
        note("sums", np.abs(wide(tensor(f"{number}/sums")) - x.sum(0)).max() / np.abs(x).sum(0).max())
        note("squares", np.abs(wide(tensor(f"{number}/squares")) / (x * x).sum(0) - 1).max())
        product = x.T @ x
        note("hessian", np.abs(hessian(index, tensors, tensor, number) - product).max() / product.max())
        counts = np.zeros(2 * 41 * 128 + 1)
        histogram = tensor(f"{number}/histogram")
        first = site["histogram_first"]
        counts[first:first + len(histogram)] = histogram
        assert counts.sum() == x.size
        # A value at the edge of a bin may fall into its neighbour: rounding differs. Compare cumulated counts.
        expected = np.bincount(bins(x.ravel()), minlength=counts.size)
        note("histogram", np.abs(np.cumsum(counts) - np.cumsum(expected)).max() / x.size)
        energy = sum((weights[w].astype(np.float64) ** 2).sum(0) for w in site["weights"])
        importance = np.clip(np.rint(256 * energy / energy.mean()), 1, 65535)
        total = tensor(f"{number}/weighted").sum()
        assert abs(total / (importance.sum() * len(x)) - 1) < 1e-4, total
    print("largest differences:", {k: f"{v:.1e}" for k, v in worst.items()})
    limits = {"min": 1e-5, "max": 1e-5, "absmax": 1e-5, "sums": 1e-5, "squares": 2e-5, "hessian": 1e-5, "histogram": 2e-3}
    bad = {k: v for k, v in worst.items() if not v < limits[k]}
    assert not bad, bad
    print(f"{len(index['sites'])} activations of {len(covered)} linears agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
