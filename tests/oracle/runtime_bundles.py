#!/usr/bin/env python3
"""Every fixture, converted to every dtype, through the native runtime: the shipped files, against onnxruntime.

1. fp32 gives what PyTorch gave (golden_onnx.py's rule), fused and node by node.
2. Every other dtype gives what onnxruntime gives without its optimizations: the same graph, node by node. Its CPU
   kernels leave roundings of fp16 graphs out, so these are widened to float32 and get casts to float16 and back behind
   every node.
3. Rounding to fp16 at every edge (SessionOptions::emulate_fp16) gives what onnxruntime gives for the fp32 graph with
   such casts and with weights that are clamped and rounded: the same values, the same overflows.
4. The int8 mode of MatMulNBits gives what onnxruntime gives at accuracy level 4, whatever level the file names.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx

import golden_onnx
import native
from bundles import REFUSED, SUFFIXES, widen
from onnx_weights import File

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Largest differences, as a share of the largest magnitude that the output has in any case.
ALLOWED = {
    "fp16": 0.01, "q4f16": 0.01,  # twenty roundings of 2^-11
    "q8": 0.05, "int8": 0.05, "uint8": 0.05,  # an activation between two codes may fall to the other side
    "q4": 1e-5, "emulated fp16": 0.01, "level 4": 0.02,
}
# That must be rare: half of all fixtures agree this well, or nearly every activation fell to the other side.
TYPICAL = {"q8": 1e-4, "int8": 1e-4, "uint8": 1e-4, "fp16": 1e-3, "q4f16": 1e-3, "emulated fp16": 1e-3, "level 4": 1e-3}
LARGEST_HALF = 65504


def distance(got, want, share=1):
    """What this share of an output's values does not exceed, in the worst output: 1 is the largest difference."""
    worst = 0
    for name in want[0]:
        values = [(a[name].astype(np.float64), b[name].astype(np.float64)) for a, b in zip(got, want, strict=True)]
        assert all(a.shape == b.shape for a, b in values), f"{name}: shapes differ"
        assert all((np.isfinite(a) == np.isfinite(b)).all() for a, b in values), f"{name}: not finite at other places"
        finite = [(a[np.isfinite(b)], b[np.isfinite(b)]) for a, b in values]
        scale = max((np.abs(b).max() for _, b in finite if b.size), default=0) or 1
        differences = np.concatenate([np.abs(a - b).ravel() for a, b in finite])
        worst = max(worst, (np.quantile(differences, share) if differences.size else 0) / scale)
    return float(worst)


def promised(results, cases):
    """The results with 0 where a golden is NaN: a decoder's outputs at padding are anything finite."""
    for result in results:
        assert all(np.isfinite(array).all() for array in result.values()), "not finite"
    return [{name: np.where(np.isnan(golden[name]), 0, array) if name in golden else array for name, array in result.items()}
            for result, (_, golden, _) in zip(results, cases, strict=True)]


def single_values(path):
    """Names of the float32 values of a half-precision file: what its nodes give to each other unrounded."""
    graph = onnx.load(path, load_external_data=False).graph
    single = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    for node in graph.node:
        to = [attribute.i for attribute in node.attribute if attribute.name == "to"]
        if to[0] == onnx.TensorProto.FLOAT if node.op_type == "Cast" else node.input[0] in single:
            single.update(name for name in node.output if name)
    return single


def with_half_edges(model, exact=()):
    """The model with every float32 value between nodes stored as float16, weights clamped and rounded; both as bytes.

    Those named in `exact` stay as they are.
    """
    def rounded(array):
        return np.clip(array, -LARGEST_HALF, LARGEST_HALF).astype(np.float16).astype(np.float32)

    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
    types = {value.name: value.type.tensor_type.elem_type for value in [*model.graph.value_info, *model.graph.output]}
    types |= {name: onnx.TensorProto.FLOAT for node in model.graph.node if node.domain for name in node.output}
    tensors = [attribute.t for node in model.graph.node for attribute in node.attribute]
    for tensor in [*model.graph.initializer, *tensors]:
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in exact:
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded(onnx.numpy_helper.to_array(tensor)), tensor.name))
    nodes = []
    for node in model.graph.node:
        names = [name for name in node.output if name and name not in exact and types.get(name) == onnx.TensorProto.FLOAT]
        outputs = [f"{name}/exact" if name in names else name for name in node.output]
        del node.output[:]
        node.output.extend(outputs)
        nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
        for name in names:
            nodes.append(onnx.helper.make_node("Cast", [f"{name}/exact"], [f"{name}/half"], to=onnx.TensorProto.FLOAT16))
            nodes.append(onnx.helper.make_node("Cast", [f"{name}/half"], [name], to=onnx.TensorProto.FLOAT))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def at_level_4(file):
    def edit(model):
        for node in model.graph.node:
            if node.op_type == "MatMulNBits":
                kept = [attribute for attribute in node.attribute if attribute.name != "accuracy_level"]
                del node.attribute[:]
                node.attribute.extend([*kept, onnx.helper.make_attribute("accuracy_level", 4)])
    return file.with_arrays({}, edit)


class Checker:
    def __init__(self, tool):
        self.tool = tool
        self.errors = {}  # what: [(error, fixture)]
        self.failures = 0

    def fail(self, fixture, message):
        self.failures += 1
        print(f"FAIL {fixture}: {message}")

    def compare(self, what, fixture, path, cases, reference, *flags):
        session = native.reference_session(reference)
        names = [value.name for value in session.get_outputs()]
        want = [dict(zip(names, session.run(names, golden_onnx.fed(session, inputs)))) for inputs, _, _ in cases]
        inputs = [value.name for value in session.get_inputs()]
        halves = {v.name for v in onnx.load(path, load_external_data=False).graph.input
                  if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16}
        given = [{name: array.astype(np.float16) if name in halves else array for name, array in case[0].items()}
                 for case in cases]
        for more in ([], ["--unfused"]):
            got = native.run(self.tool, path, given, inputs, names, *flags, *more)
            error = distance(promised(got, cases), promised(want, cases))
            self.errors.setdefault(what, []).append((error, fixture))
            if error > ALLOWED[what]:
                self.fail(fixture, f"{' '.join([what, *more])}: {error:.2e}, allowed {ALLOWED[what]:.0e}")

    def check_golden(self, fixture, path, cases):
        model = onnx.load(path, load_external_data=False)
        inputs, names = ([v.name for v in values] for values in (model.graph.input, model.graph.output))
        for more in ([], ["--unfused"]):
            got = native.run(self.tool, path, [case[0] for case in cases], inputs, names, *more)
            for result, (_, want, distances) in zip(got, cases, strict=True):
                for name in names:
                    error, allowed = golden_onnx.judge(result[name], want[name], distances[name], None)
                    self.errors.setdefault("fp32", []).append((error, fixture))
                    if error > allowed:
                        self.fail(fixture, f"fp32 {name}: {error:.2e}, allowed {allowed:.2e}")

    def check(self, folder, bundle):
        cases = golden_onnx.read_cases(folder / "golden.safetensors")
        path = {dtype: bundle / f"onnx/model{suffix}.onnx" for dtype, suffix in SUFFIXES.items()}
        self.check_golden(folder.name, path["fp32"], cases)
        for dtype in list(SUFFIXES)[1:]:
            half = dtype.endswith("16")
            reference = with_half_edges(widen(File(path[dtype])), single_values(path[dtype])) if half else str(path[dtype])
            self.compare(dtype, folder.name, path[dtype], cases, reference)
        exact = File(path["fp32"]).with_arrays({})
        self.compare("emulated fp16", folder.name, path["fp32"], cases, with_half_edges(exact), "--fp16")
        self.compare("level 4", folder.name, path["q4"], cases, at_level_4(File(path["q4"])), "--nbits", "int8")

    def check_typical(self):
        for what, found in self.errors.items():
            median, (worst, fixture) = statistics.median(error for error, _ in found), max(found)
            print(f"{what:13} median {median:.1e}, worst {worst:.1e} ({fixture})")
            if median > TYPICAL.get(what, 1):
                self.fail("all fixtures", f"{what}: the median is {median:.1e}, allowed {TYPICAL[what]:.0e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bantam", default=os.environ.get("BANTAM", ROOT / "build/release/apps/bantam/bantam"))
    parser.add_argument("--tool", default=ROOT / "build/release/tests/bantam_run_model", help="tests/tools/run_model.cc")
    parser.add_argument("--only", action="append", help="this fixture alone (repeatable)")
    arguments = parser.parse_args()
    fixtures = sorted(path for path in (ROOT / "testdata/fixtures").iterdir() if (path / "config.json").exists())
    fixtures = [path for path in fixtures if path.name not in REFUSED and path.name in (arguments.only or [path.name])]
    started, checker = time.monotonic(), Checker(arguments.tool)
    for folder in fixtures:
        with tempfile.TemporaryDirectory(prefix="bantam-oracle-") as temporary:
            bundle = pathlib.Path(temporary) / "bundle"
            command = [arguments.bantam, "convert", folder, "-o", bundle, "--dtype", ",".join(SUFFIXES), "--threads", "1",
                       "--quiet", "--no-canonical"]  # the caches of the goldens are in the checkpoint's own scaling
            done = subprocess.run(command, capture_output=True, text=True)
            try:
                assert done.returncode == 0, done.stderr.strip()
                checker.check(folder, bundle)
            except Exception as error:  # onnxruntime's exception types are not public
                checker.fail(folder.name, str(error).splitlines()[0])
    checker.check_typical()
    print(f"{len(fixtures)} fixtures in {time.monotonic() - started:.0f} s, {checker.failures} failures")
    sys.exit(1 if checker.failures or not fixtures else 0)


if __name__ == "__main__":
    main()
