#!/usr/bin/env python3
"""Every fixture, converted to every dtype, held against an independent reading of its files.

1. The fp32 graph gives what PyTorch gave (golden_onnx.py's rule).
2. Every quantized weight, decoded here with numpy, is as close to the fp32 weight as its format promises, and every
   weight that is worth it is quantized.
3. Every graph gives what the fp32 graph gives with these decoded weights in the place of its own. Dynamic INT8 also
   quantizes activations: there the linears of the fp32 graph get the codes that the graph itself computed, and these
   are checked. A half-precision graph with all its types widened to float32 must give the same as well.
4. As they are shipped, fused by onnxruntime and computed in half precision, graphs differ from that by no more than
   roundings explain.
"""
import argparse
import collections
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

import codec_promises
import golden_onnx
import onnx_weights
from onnx_weights import File

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIXES = {"fp32": "", "fp16": "_fp16", "q8": "_quantized", "int8": "_int8", "uint8": "_uint8", "q4": "_q4",
            "q4f16": "_q4f16"}
FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
# Largest differences, as a share of an output's largest magnitude.
TOLERANCES = {
    "decoded": 1e-5,    # the same arithmetic: only additions in another order
    "optimized": 0.05,  # an activation between two steps may fall to the other side: 1/255 of the range of all of them
                        # there, and then every later range is a little different
    "half": 0.01,       # twenty roundings of 2^-11
}
# Options, for fixtures whose names end like this: the ones with two layers, of rows that are no whole number of blocks.
VARIATIONS = [
    ("-feature-extraction", "q4,q4f16", ["--asymmetric", "--block-size", "16"]),
    ("-feature-extraction", "q4", ["--block-size", "128"]),
    ("-tokenizer", "q4,q4f16", ["--asymmetric", "--recipe", "4-bit embeddings"]),
    ("-text-generation", "q4", ["--embeddings", "fused"]),
    ("-text-generation", "q4f16", ["--embeddings", "portable"]),
    ("-fill-mask", "q4,q8", ["--embeddings", "fused"]),
]
RECIPE = {"variants": [{"dtype": dtype, "rules": [{"role": "word_embedding", "bits": 4}]} for dtype in ("q4", "q4f16")]}
SMALLEST = 1024  # elements of a weight that is quantized
LIMITS = (-30000, 30000)  # what a constant beyond float16 becomes there
EXACT = "/constant/frequencies"  # angles of rotations are float32 everywhere
REFUSED = {"bert-fill-mask-other-decoder": "differs from"}  # ties two weights that are not equal


def run(model, cases, names, optimize=False, given=None):
    """The named outputs of every case, each a dictionary. `given`: further inputs, one dictionary for each case."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    more = given or [{}] * len(cases)
    return [dict(zip(names, session.run(names, golden_onnx.fed(session, inputs) | extra)))
            for (inputs, _, _), extra in zip(cases, more, strict=True)]


def distance(got, want, names):
    """The largest difference, as a share of the largest magnitude that the output has in any case."""
    worst = 0
    for name in names:
        scale = max(np.abs(case[name]).max() for case in want)
        for one, other in zip(got, want, strict=True):
            assert np.isfinite(one[name]).all(), f"{name} is not finite"
            worst = max(worst, np.abs(one[name].astype(np.float64) - other[name]).max() / scale)
    return worst


def add_outputs(graph, names, types):
    for name, kind in zip(names, types, strict=True):
        graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))


def widen(file):
    """A half-precision graph computed in float32: every float16 type becomes float32, values unchanged."""
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT

    def edit(model):
        for node in model.graph.node:
            for attribute in node.attribute:
                if node.op_type == "Cast" and attribute.i == half:
                    attribute.i = single
                if attribute.t.data_type == half:
                    attribute.t.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(attribute.t).astype(np.float32)))
        for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
            if value.type.tensor_type.elem_type == half:
                value.type.tensor_type.elem_type = single
    wide = {name: array.astype(np.float32) for name, array in file.arrays.items() if array.dtype == np.float16}
    return file.with_arrays(wide, edit)


class Bundle:
    def __init__(self, folder, golden):
        self.folder = folder
        self.cases = golden_onnx.read_cases(golden)
        self.names = list(self.cases[0][1])  # of the outputs
        self.exact = File(self.path("fp32"))
        self.widths = {name: array.shape[-1] for name, array in self.exact.arrays.items() if array.ndim}

    def path(self, dtype):
        return self.folder / f"onnx/model{SUFFIXES[dtype]}.onnx"


def stored_values(bundle, file, half):
    """Decodes the quantized weights and holds them to their promises; the others are stored as they are.

    Gives the values to compute with, by the names of the fp32 file, and the quantized weights.
    """
    found = onnx_weights.quantized_weights(file, bundle.widths)
    values = {}
    for name, exact in bundle.exact.arrays.items():
        if name in found:
            try:
                codec_promises.check(exact, found[name])
            except AssertionError as error:
                raise AssertionError(f"{name} ({found[name].scheme}): {error}") from None
            values[name] = found[name].values
        elif exact.dtype == np.float32 and name in file.arrays:
            stored = file.arrays[name]
            half_here = half and not name.startswith(EXACT)
            assert stored.dtype == (np.float16 if half_here else np.float32), f"{name} is {stored.dtype}"
            want = np.clip(exact, *LIMITS).astype(stored.dtype) if half_here else exact
            assert (stored == want).all(), f"{name} is stored as something else"
            values[name] = stored.astype(np.float32)
    return values, found


def with_recorded_activations(bundle, values, found, file):
    """Dynamic INT8: records what the graph's linears get as codes, checks these, and gives the fp32 graph just that.

    Else a code at the middle between two steps could fall to one side here and to the other there, and every range
    after it would be another. Activations of two bytes are the sum of two: what the first leaves is quantized again.
    """
    nodes = [node for node in file.graph.node if node.op_type == "DynamicQuantizeLinear"]
    made_by = {output: node for node in file.graph.node for output in node.output}
    whole = {}  # the activation that a node quantizes, or quantizes the rest of
    for node in nodes:
        maker = made_by.get(node.input[0])
        rest = maker is not None and maker.op_type == "Sub" and made_by[maker.input[1]].op_type == "DequantizeLinear"
        whole[node.name] = maker.input[0] if rest else node.input[0]
        assert not rest or any(other.input[0] == maker.input[0] for other in nodes), node.name
    parts = [part for node in nodes for part in node.output]
    kinds = [UINT8, FLOAT, UINT8] * len(nodes)
    recorded = run(file.with_arrays({}, lambda model: add_outputs(model.graph, parts, kinds)), bundle.cases,
                   bundle.names + parts)
    activations = sorted(set(whole.values()))

    def edit(model):
        for node in model.graph.node:
            if node.op_type == "Gemm" and node.input[1] in found and found[node.input[1]].dynamic:
                node.input[0] += "/decoded"
        for x in activations:
            model.graph.input.append(onnx.helper.make_tensor_value_info(f"{x}/decoded", FLOAT, None))
        add_outputs(model.graph, activations, [FLOAT] * len(activations))

    given = []
    for record in recorded:
        decoded = {}
        for node in nodes:
            codes, scale, zero = (record[part] for part in node.output)
            key = f"{whole[node.name]}/decoded"
            decoded[key] = decoded.get(key, np.float32(0)) + (codes.astype(np.float32) - np.float32(zero)) * scale
        given.append(decoded)
    want = run(bundle.exact.with_arrays(values, edit), bundle.cases, bundle.names + activations, given=given)
    for record, one, decoded in zip(recorded, want, given, strict=True):
        for node in nodes:
            x, scale = one[whole[node.name]], record[node.output[1]]
            # The zero point is rounded too: half a step for the code, half a step more at the ends. The last byte counts.
            finest = min(record[other.output[1]] for other in nodes if whole[other.name] == whole[node.name])
            rounding = np.abs(x).max() * 1e-6
            assert np.abs(decoded[f"{whole[node.name]}/decoded"] - x).max() <= finest * 1.001 + rounding, f"{node.name}: codes"
            if whole[node.name] != node.input[0]:
                continue
            step = (max(x.max(), 0) - min(x.min(), 0)) / 255
            assert abs(scale - step) <= 1e-4 * step, f"{node.name}: scale {scale} where {step} was expected"
    return recorded, want


def errors_of(bundle, dtype):
    """{what is compared: the largest distance}, and the quantized weights by name."""
    half = dtype.endswith("16")
    file = File(bundle.path(dtype))
    values, found = stored_values(bundle, file, half)
    got = run(str(bundle.path(dtype)), bundle.cases, bundle.names, optimize=True)
    if any(weight.dynamic for weight in found.values()):
        recorded, want = with_recorded_activations(bundle, values, found, file)
        return {"decoded": distance(recorded, want, bundle.names), "optimized": distance(got, want, bundle.names)}, found
    want = run(bundle.exact.with_arrays(values), bundle.cases, bundle.names)
    if not half:
        return {"decoded": distance(got, want, bundle.names)}, found
    wide = run(widen(file), bundle.cases, bundle.names)
    return {"decoded": distance(wide, want, bundle.names), "half": distance(got, wide, bundle.names)}, found


def worth_quantizing(file):
    """Matrices that embeddings and linears read."""
    slots = {"Gather": 0, "Gemm": 1}
    read = {node.input[slots[node.op_type]] for node in file.graph.node if node.op_type in slots}
    return {name for name in read if file.arrays.get(name, np.zeros(0)).ndim == 2 and file.arrays[name].size >= SMALLEST}


def check_fixture(folder, bundle_folder, dtypes, tally):
    """Yields what is wrong."""
    lines = []
    if not golden_onnx.check(bundle_folder, folder / "golden.safetensors", report=lines.append):
        yield from (f"fp32: {line}" for line in lines if line.startswith("FAIL"))
    bundle = Bundle(bundle_folder, folder / "golden.safetensors")
    for dtype in dtypes:
        try:
            errors, found = errors_of(bundle, dtype)
        except Exception as error:  # onnxruntime's exception types are not public
            yield f"{dtype}: {str(error).splitlines()[0]}"
            continue
        if dtype != "fp16":
            for name in worth_quantizing(bundle.exact) - set(found):
                yield f"{dtype}: {name} is not quantized"
        for what, error in errors.items():
            tally.errors.setdefault((dtype, what), []).append((error, folder.name))
            if error > TOLERANCES[what]:
                yield f"{dtype}: {what}: {error:.2e}, allowed {TOLERANCES[what]:.0e}"
        for weight in found.values():
            tally.schemes[dtype, weight.scheme] += 1


@dataclasses.dataclass
class Tally:
    errors: dict = dataclasses.field(default_factory=dict)  # (dtype, what): (error, fixture) of each
    schemes: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def report(self):
        for dtype in SUFFIXES:
            worst = [f"{what} {max(found)[0]:.1e} ({max(found)[1]})" for (of, what), found in self.errors.items() if of == dtype]
            weights = [f"{count} {scheme}" for (of, scheme), count in sorted(self.schemes.items()) if of == dtype]
            if worst:
                print(f"{dtype:6} weights: {', '.join(weights) or 'as they are'}; worst: {'; '.join(worst)}")


def convert_and_check(bantam, folder, dtypes, options, tally):
    """Yields what is wrong."""
    with tempfile.TemporaryDirectory(prefix="bantam-oracle-") as temporary:
        recipe, out = pathlib.Path(temporary) / "recipe.json", pathlib.Path(temporary) / "bundle"
        recipe.write_text(json.dumps(RECIPE))
        options = [recipe if option == "4-bit embeddings" else option for option in options]
        command = [bantam, "convert", folder, "-o", out, "--dtype", f"fp32,{dtypes}", "--threads", "1", "--quiet",
                   "--no-canonical", *options]  # weights are compared one by one; twins.py is about the scaling
        done = subprocess.run(command, capture_output=True, text=True)
        if folder.name in REFUSED:
            if done.returncode != 1 or REFUSED[folder.name] not in done.stderr:
                yield f"was not refused: {done.stderr}"
        elif done.returncode:
            yield done.stderr.strip()
        else:
            yield from check_fixture(folder, out, dtypes.split(","), tally)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bantam", default=os.environ.get("BANTAM", ROOT / "build/release/apps/bantam/bantam"))
    parser.add_argument("--only", action="append", help="this fixture alone (repeatable)")
    arguments = parser.parse_args()
    fixtures = sorted(path for path in (ROOT / "testdata/fixtures").iterdir() if (path / "config.json").exists())
    if arguments.only:
        fixtures = [path for path in fixtures if path.name in arguments.only]
    started, failures, tally = time.monotonic(), 0, Tally()
    everything = [("", ",".join(list(SUFFIXES)[1:]), []), *VARIATIONS]
    for ending, dtypes, options in everything:
        for folder in fixtures:
            if not folder.name.endswith(ending):
                continue
            for line in convert_and_check(arguments.bantam, folder, dtypes, options, tally):
                failures += 1
                print(f"FAIL {' '.join([folder.name, *options])}: {line}")
    tally.report()
    print(f"{len(fixtures)} fixtures in {time.monotonic() - started:.0f} s, {failures} failures")
    sys.exit(1 if failures or not fixtures else 0)


if __name__ == "__main__":
    main()
