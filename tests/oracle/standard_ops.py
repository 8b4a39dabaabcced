#!/usr/bin/env python3
"""Every fixture, converted to every dtype with --ops standard and with --target tjs3, in onnxruntime and in the native runtime.

1. Standard graphs hold operators of ONNX alone, those of tjs3 none that onnxruntime 1.21 and onnxruntime-web 1.22 lack,
   and no input that transformers.js 3 does not feed.
2. fp32 gives what PyTorch gave (golden_onnx.py's rule), decoders token by token too.
3. Every dtype gives what the fused graph of the same dtype gives, both without onnxruntime's optimizations; graphs of
   half precision with all types widened to float32, and as they are with room for their roundings.
4. With its optimizations, and in the native runtime (decoders: with and without fusions), a graph gives the same as without.
5. Standard attention takes several texts with caches in chunks of several tokens (the fused operator takes one text
   then): the later positions of a left-padded batch are PyTorch's.
6. 4-bit weights are 4-bit in the files: a standard bundle's shards are hardly larger than the fused one's.
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
import onnxruntime

import golden_onnx
import native
from bundles import REFUSED, SUFFIXES
from runtime_bundles import distance, promised

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
NOT_IN_ONNX = {"SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"}  # under ONNX's name all the same
# Largest differences, as a share of the largest magnitude that the output has in any case.
SAME = {"fp32": 2e-5, "q4": 2e-5, "q8": 0.05, "int8": 0.05, "uint8": 0.05,  # codes may fall to the other side
        "fp16": 1e-3, "q4f16": 1e-3}  # a scale that was an attribute is a constant of 11 bits
ROUNDED = 0.02    # halves rounded at other edges
TYPICAL = 1e-4    # of the codes that may, few do: half of all fixtures agree this well, in INT8 in most of their values
MOST = {"q8": 0.75, "int8": 0.75, "uint8": 0.75}


def load(path):
    """The model with its weights inside."""
    return onnx.load(str(path))


def widened(model):
    """Every float16 type becomes float32, values unchanged."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for tensor in model.graph.initializer:
        if tensor.data_type == HALF:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == HALF:
                attribute.i = FLOAT
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        if value.type.tensor_type.elem_type == HALF:
            value.type.tensor_type.elem_type = FLOAT
    return model


def run(model, cases, optimize=False, every_position=False):
    """`every_position`: the head reads all positions, as in a graph that knows no num_logits_to_keep: its dynamic range is theirs."""
    given = model if isinstance(model, str) else model.SerializeToString()
    session = native.reference_session(given, optimize)
    names = [value.name for value in session.get_outputs()]
    every = {"num_logits_to_keep": np.array(0)} if every_position else {}
    return [golden_onnx.kept(dict(zip(names, session.run(names, golden_onnx.fed(session, inputs | every)))), inputs)
            for inputs, _, _ in cases]


def wrong_operators(model, target):
    for node in model.graph.node:
        bits = next((attribute.i for attribute in node.attribute if attribute.name == "bits"), 4)
        if target == "standard" and (node.domain or node.op_type in NOT_IN_ONNX):
            yield f"{node.domain}.{node.op_type}"
        if target == "tjs3" and (node.op_type in ("GatherBlockQuantized", "GroupQueryAttention")
                                 or (node.op_type == "MatMulNBits" and bits != 4)):
            yield f"{node.op_type} of {bits} bits"
    if target == "standard":
        yield from (f"domain {opset.domain}" for opset in model.opset_import if opset.domain)
    yield from (f"opset {opset.version}" for opset in model.opset_import if not opset.domain and opset.version != 21)


def in_chunks(session, inputs, first):
    """Outputs of a batch of texts without a past, fed in two chunks of several tokens each."""
    names = [value.name for value in session.get_outputs()]
    length = inputs["input_ids"].shape[1]
    past = {name: array for name, array in inputs.items() if name.startswith("past_key_values.")}
    logits = []
    for begin, end in ((0, first), (first, length)):
        chunk = {"input_ids": inputs["input_ids"][:, begin:end], "attention_mask": inputs["attention_mask"][:, :end],
                 "position_ids": inputs["position_ids"][:, begin:end], "num_logits_to_keep": np.array(0)}
        outputs = dict(zip(names, session.run(names, chunk | past)))
        past = {name: outputs[name.replace("past_key_values", "present")] for name in past}
        logits.append(outputs["logits"])
    return outputs | {"logits": np.concatenate(logits, axis=1)}


class Checker:
    def __init__(self, bantam, tool):
        self.bantam, self.tool = bantam, tool
        self.errors = {}  # what: [(error, fixture, error of most values)]
        self.failures = 0

    def fail(self, fixture, message):
        self.failures += 1
        print(f"FAIL {fixture}: {message}", flush=True)

    def within(self, what, fixture, got, want, cases, allowed):
        try:
            got, want = promised(got, cases), promised(want, cases)
            error = distance(got, want)
        except AssertionError as problem:
            return self.fail(fixture, f"{what}: {problem}")
        most = next((share for dtype, share in MOST.items() if f" {dtype} " in what), 1)
        self.errors.setdefault(what, []).append((error, fixture, distance(got, want, most)))
        if error > allowed:
            self.fail(fixture, f"{what}: {error:.2e}, allowed {allowed:.0e}")

    def convert(self, folder, out, *options):
        command = [self.bantam, "convert", folder, "-o", out, "--dtype", ",".join(SUFFIXES), "--threads", "1", "--quiet",
                   "--no-canonical", *options]  # the caches of the goldens are those of the checkpoint's own scaling
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr.strip()

    def check_dtype(self, fixture, target, dtype, fused, path, cases):
        half = dtype.endswith("16")
        model = load(path)
        if wrong := sorted(set(wrong_operators(model, target))):
            self.fail(fixture, f"{target} {dtype}: holds {', '.join(wrong)}")
        got = run(widened(model) if half else model, cases)
        want = run(widened(load(fused)) if half else load(fused), cases, every_position=target == "tjs3")
        self.within(f"{target} {dtype} as fused", fixture, got, want, cases, SAME[dtype])
        allowed = ROUNDED if half else SAME[dtype]
        self.within(f"{target} {dtype} optimized", fixture, run(str(path), cases, optimize=True), got, cases, allowed)
        inputs, outputs = ([value.name for value in values] for values in (model.graph.input, model.graph.output))
        halves = {value.name for value in model.graph.input if value.type.tensor_type.elem_type == HALF}
        given = [{name: array.astype(np.float16) if name in halves else array for name, array in case[0].items()} for case in cases]
        for flags in ([], ["--unfused"]) if "position_ids" in inputs else ([],):
            mine = native.run(self.tool, path, given, inputs, outputs, *flags)
            mine = [golden_onnx.kept(result, case[0]) for result, case in zip(mine, cases, strict=True)]
            self.within(f"{target} {dtype} native", fixture, mine, got, cases, allowed)

    def check_golden(self, folder, target, bundle):
        lines = []
        without = ["num_logits_to_keep"] if target == "tjs3" else []
        if not golden_onnx.check(bundle, folder / "golden.safetensors", report=lines.append, without=without):
            for line in lines:
                if line.startswith("FAIL"):
                    self.fail(folder.name, f"{target} fp32: {line}")

    def check_chunks(self, folder, path, cases):
        inputs, outputs, distances = cases[0]
        if "position_ids" not in inputs:
            return
        assert len(inputs["input_ids"]) > 1 and not inputs["attention_mask"].all(), "a left-padded batch"
        got = in_chunks(native.reference_session(str(path), optimize=True), inputs, 4)
        for name, want in outputs.items():
            error, allowed = golden_onnx.judge(got[name], want, distances[name], None)
            self.errors.setdefault("chunks", []).append((error, folder.name, error))
            if error > allowed:
                self.fail(folder.name, f"chunks of a batch: {name}: {error:.2e}, allowed {allowed:.2e}")

    def check_sizes(self, fixture, fused, standard):
        for dtype, suffix in SUFFIXES.items():
            sizes = [sum(shard.stat().st_size for shard in bundle.glob(f"onnx/model{suffix}.onnx_data*")) for bundle in (fused, standard)]
            if sizes[1] > sizes[0]:
                self.fail(fixture, f"{dtype}: {sizes[1]} bytes of weights where the fused bundle has {sizes[0]}")

    def check(self, folder, temporary):
        cases = golden_onnx.read_cases(folder / "golden.safetensors")
        fused = temporary / "fused"
        self.convert(folder, fused)
        for target, options in {"standard": ["--ops", "standard"], "tjs3": ["--target", "tjs3"]}.items():
            bundle = temporary / target
            self.convert(folder, bundle, *options)
            self.check_golden(folder, target, bundle)
            for dtype, suffix in SUFFIXES.items():
                file = f"onnx/model{suffix}.onnx"
                if target == "tjs3" and (bundle / file).read_bytes() == (fused / file).read_bytes():
                    continue
                self.check_dtype(folder.name, target, dtype, fused / file, bundle / file, cases)
        self.check_chunks(folder, temporary / "standard/onnx/model.onnx", cases)
        self.check_sizes(folder.name, fused, temporary / "standard")

    def check_typical(self):
        for what, found in self.errors.items():
            median, (worst, fixture, _) = statistics.median(most for _, _, most in found), max(found)
            print(f"{what:24} {len(found):4} times, median {median:.1e}, worst {worst:.1e} ({fixture})")
            if median > (ROUNDED / 4 if "16" in what else TYPICAL):
                self.fail("all fixtures", f"{what}: the median is {median:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bantam", default=os.environ.get("BANTAM", ROOT / "build/release/apps/bantam/bantam"))
    parser.add_argument("--tool", default=ROOT / "build/release/tests/bantam_run_model", help="tests/tools/run_model.cc")
    parser.add_argument("--only", action="append", help="this fixture alone (repeatable)")
    arguments = parser.parse_args()
    fixtures = sorted(path for path in (ROOT / "testdata/fixtures").iterdir() if (path / "golden.safetensors").exists())
    fixtures = [path for path in fixtures if path.name not in REFUSED and path.name in (arguments.only or [path.name])]
    started, checker = time.monotonic(), Checker(arguments.bantam, arguments.tool)
    for folder in fixtures:
        with tempfile.TemporaryDirectory(prefix="bantam-oracle-") as temporary:
            try:
                checker.check(folder, pathlib.Path(temporary))
            except Exception as error:  # onnxruntime's exception types are not public
                checker.fail(folder.name, str(error).splitlines()[0])
    checker.check_typical()
    print(f"{len(fixtures)} fixtures in {time.monotonic() - started:.0f} s, {checker.failures} failures")
    sys.exit(1 if checker.failures or not fixtures else 0)


if __name__ == "__main__":
    main()
