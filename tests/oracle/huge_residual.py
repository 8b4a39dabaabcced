#!/usr/bin/env python3
"""Decoders whose residual stream leaves the range of float16, as trained ones do, in half precision.

What is added to the stream (embeddings, attention, MLP) times c, with the norms' epsilon times c^2, is the same function:
the golden that PyTorch made of the original holds. Here c is such that every summand fits into float16 and the sum does not.
The native runtime rounds at every edge as the graph says (onnxruntime's CPU kernels compute halves in float32). To see
that the test can fail, the float graph with every edge rounded, sums included, must be broken.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import golden_onnx
import native

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ["mistral-text-generation-window"]
SCALE = 4400
SCALED = ("embed_tokens.weight", "o_proj.weight", "o_proj.bias", "down_proj.weight", "down_proj.bias")
LARGEST_HALF = 65504
CLOSE = 0.02  # of the largest logit


def scaled_checkpoint(source, folder):
    config = json.loads((source / "config.json").read_text())
    assert not config["tie_word_embeddings"], "the head would be scaled too"
    config["rms_norm_eps"] *= SCALE ** 2
    (folder / "config.json").write_text(json.dumps(config))
    tensors, _ = golden_onnx.read_safetensors(source / "model.safetensors")
    header, data = {}, b""
    for name, array in tensors.items():
        raw = (array * np.float32(SCALE if name.endswith(SCALED) else 1)).tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def check_range(path, cases):
    """Summands fit, sums do not: read from the float graph."""
    model = onnx.load(str(path))
    norms = [node for node in model.graph.node if node.op_type == "SkipSimplifiedLayerNormalization"]
    sums = [node.output[3] for node in norms[:-1]]  # nothing reads the last one
    summands = [name for node in norms for name in node.input[:2] if name not in sums]
    assert sums and len(summands) > len(sums)
    for name in sums + summands:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = native.reference_session(model.SerializeToString())
    largest = {}
    for inputs, _, _ in cases:
        for name, value in zip(sums + summands, session.run(sums + summands, inputs)):
            largest[name] = max(largest.get(name, 0), float(np.abs(value).max()))
    assert max(largest[name] for name in summands) < LARGEST_HALF < max(largest[name] for name in sums), largest


def error_of(results, cases):
    """The largest distance of logits to PyTorch's, as a share of the largest magnitude; infinite where not finite."""
    worst = 0
    for result, (_, golden, distances) in zip(results, cases, strict=True):
        worst = max(worst, golden_onnx.judge(result["logits"], golden["logits"], distances["logits"], CLOSE)[0])
    return worst


def check(bantam, tool, name, temporary):
    """Yields what is wrong."""
    cases = golden_onnx.read_cases(ROOT / "testdata/fixtures" / name / "golden.safetensors")
    checkpoint = temporary / "checkpoint"
    checkpoint.mkdir()
    scaled_checkpoint(ROOT / "testdata/fixtures" / name, checkpoint)
    for ops in ("fused", "standard"):
        bundle = temporary / ops
        subprocess.run([bantam, "convert", checkpoint, "-o", bundle, "--dtype", "fp32,fp16", "--ops", ops, "--no-canonical", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        if ops == "fused":
            check_range(bundle / "onnx/model.onnx", cases)
        for suffix, allowed in {"": 1e-4, "_fp16": CLOSE}.items():
            path = bundle / f"onnx/model{suffix}.onnx"
            graph = onnx.load(str(path), load_external_data=False).graph
            inputs, outputs = ([v.name for v in values] for values in (graph.input, graph.output))
            halves = {v.name for v in graph.input if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16}
            assert bool(halves) == ("16" in suffix) and all(name.startswith("past_key_values.") for name in halves)
            given = [{name: array.astype(np.float16) if name in halves else array for name, array in case[0].items()} for case in cases]
            results = native.run(tool, path, given, inputs, outputs)
            if not all(np.isfinite(array).all() for result in results for array in result.values()):
                yield f"{ops} {path.name}: not finite"
            elif (error := error_of(results, cases)) > allowed:
                yield f"{ops} {path.name}: {error:.1e} from PyTorch, allowed {allowed:.0e}"
    exact = temporary / "fused/onnx/model.onnx"
    everything = native.run(tool, exact, [case[0] for case in cases], inputs, outputs, "--fp16")
    if all(np.isfinite(result["logits"]).all() for result in everything):
        yield "with sums in float16 nothing overflows: this test proves nothing"


def main():
    bantam = os.environ.get("BANTAM", ROOT / "build/release/apps/bantam/bantam")
    tool = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/tests/bantam_run_model"
    failures = 0
    for name in FIXTURES:
        with tempfile.TemporaryDirectory(prefix="bantam-oracle-") as temporary:
            for line in check(bantam, tool, name, pathlib.Path(temporary)):
                failures += 1
                print(f"FAIL {name}: {line}")
    print(f"{len(FIXTURES)} decoders, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
