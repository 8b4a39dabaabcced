#!/usr/bin/env python3
"""Runs a bundle's graph with onnxruntime and compares it with what PyTorch computed (golden.safetensors).

The error of an output is its largest absolute difference, as a share of the golden's largest magnitude. Allowed is
max(1e-5, twice fp32 PyTorch's own distance from fp64), or --tolerance for variants that are not fp32. Where a golden is
NaN (at padding) any finite value will do. A decoder must also continue texts with PyTorch's tokens, one after the other.
Every case runs in one session, so each also proves that batch and sequence axes are dynamic.
Exit code: 0 all within, 1 not, 2 usage.
"""
import argparse
import json
import pathlib
import struct
import sys

import numpy as np
import onnxruntime

DTYPES = {"I64": np.dtype("<i8"), "F32": np.dtype("<f4")}


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    metadata, arrays = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(data, DTYPES[entry["dtype"]], np.prod(entry["shape"], dtype=int),
                                     8 + size + begin if end > begin else 0).reshape(entry["shape"])
    return arrays, metadata


def read_cases(path):
    """A list of (inputs, outputs, fp64 distances), each by name."""
    arrays, metadata = read_safetensors(path)
    cases = {}
    for key, array in arrays.items():  # case0.input.input_ids
        case, kind, name = key.split(".", 2) if not key.startswith("greedy.") else (None, None, None)
        if case is None:
            continue
        inputs, outputs, distances = cases.setdefault(case, ({}, {}, {}))
        (inputs if kind == "input" else outputs)[name] = array
        if kind == "output":
            distances[name] = float(metadata[f"{case}.fp64_distance.{name}"])
    return list(cases.values())


def judge(got, want, distance, tolerance):
    """(error, allowed), both as shares of the golden's largest magnitude; not comparable or not finite is infinite."""
    scale = float(np.nanmax(np.abs(want)))
    allowed = max(1e-5, 2 * distance / scale) if tolerance is None else tolerance
    if got.shape != want.shape or got.dtype != want.dtype or not np.isfinite(got).all():
        return float("inf"), allowed
    return float(np.nanmax(np.abs(got.astype(np.float64) - want))) / scale, allowed


def fed(session, inputs):
    """Inputs in the types that the session takes: the caches of half-precision graphs are float16.

    Graphs for transformers.js 3 have no num_logits_to_keep.
    """
    halves = {spec.name for spec in session.get_inputs() if spec.type == "tensor(float16)"}
    taken = {spec.name for spec in session.get_inputs()} | (set(inputs) - {"num_logits_to_keep"})
    return {name: array.astype(np.float16) if name in halves else array for name, array in inputs.items() if name in taken}


def kept(outputs, inputs):
    """The outputs with no more logits than num_logits_to_keep asks for, whether or not the graph knows it."""
    count = int(inputs.get("num_logits_to_keep", 0))
    return outputs | {"logits": outputs["logits"][:, -count:]} if count else outputs


def positions_of(mask):
    """As transformers.js numbers them."""
    return np.where(mask == 0, 1, np.cumsum(mask, axis=1) - 1)


def continue_greedily(session, ids, mask, count):
    """`count` more tokens for every text, each fed back with the caches: [batch, count]."""
    past = {}
    for spec in session.get_inputs():
        if spec.name.startswith("past_key_values."):
            dtype = np.float16 if "float16" in spec.type else np.float32
            past[spec.name] = np.zeros((len(ids), spec.shape[1], 0, spec.shape[3]), dtype)
    names = [spec.name for spec in session.get_outputs()]
    tokens = []
    for _ in range(count):
        inputs = {"input_ids": ids, "attention_mask": mask, "num_logits_to_keep": np.array(1),
                  "position_ids": positions_of(mask)[:, -ids.shape[1]:]}
        outputs = dict(zip(names, session.run(names, fed(session, inputs | past))))
        ids = outputs["logits"][:, -1:].argmax(-1)
        mask = np.concatenate([mask, np.ones_like(ids)], axis=1)
        past = {name: outputs[name.replace("past_key_values", "present")] for name in past}
        tokens.append(ids)
    return np.concatenate(tokens, axis=1)


def check_greedy(session, golden, report):
    arrays, _ = read_safetensors(golden)
    if "greedy.tokens" not in arrays:
        return True
    want = arrays["greedy.tokens"]
    got = continue_greedily(session, arrays["greedy.input_ids"], arrays["greedy.attention_mask"], want.shape[1])
    same = bool((got == want).all())
    report(f"{'ok  ' if same else 'FAIL'} {want.size} tokens one after the other"
           + ("" if same else f": {got.tolist()} where {want.tolist()} was expected"))
    return same


def check(bundle, golden, file="onnx/model.onnx", tolerance=None, report=print, without=()):
    """Compares every case; reports one line for each and returns whether all are within.

    `without`: inputs that the graph has not.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    path = pathlib.Path(bundle) / file
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    cases = read_cases(golden)
    if not cases:
        raise ValueError(f"{golden}: no cases")
    for what, values, want in zip(("inputs", "outputs"), (session.get_inputs(), session.get_outputs()), cases[0]):
        have = {value.name for value in values}
        want = set(want) - set(without)
        if have != want:
            report(f"FAIL {path}: {what} are {sorted(have)} where {sorted(want)} were expected")
            return False
    good, names = True, list(cases[0][1])
    for i, (inputs, outputs, distances) in enumerate(cases):
        try:
            results = kept(dict(zip(names, session.run(names, fed(session, inputs)))), inputs)
        except Exception as error:  # onnxruntime's exception types are not public
            report(f"FAIL case {i}: {str(error).splitlines()[0]}")
            good = False
            continue
        judged = {name: judge(results[name], outputs[name], distances[name], tolerance) for name in names}
        worst = max(judged, key=lambda name: judged[name][0] / judged[name][1])
        error, allowed = judged[worst]
        within = error <= allowed
        good = good and within
        batch, length = inputs["input_ids"].shape
        got, want = results[worst], outputs[worst]
        note = "" if got.shape == want.shape else f", shape {list(got.shape)} where {list(want.shape)} was expected"
        note += "" if got.dtype == want.dtype else f", {got.dtype} where {want.dtype} was expected"
        report(f"{'ok  ' if within else 'FAIL'} case {i}: batch {batch}, length {length}: "
               f"{worst} error {error:.2e}, allowed {allowed:.2e}{note}")
    if tolerance is None:
        good = check_greedy(session, golden, report) and good
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="directory that `bantam convert` made")
    parser.add_argument("golden", help="golden.safetensors of the fixture it was made from")
    parser.add_argument("--file", default="onnx/model.onnx", help="graph inside the bundle (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, help="allowed error as a share of the largest magnitude")
    arguments = parser.parse_args()
    for path in (pathlib.Path(arguments.bundle) / arguments.file, pathlib.Path(arguments.golden)):
        if not path.is_file():
            parser.error(f"no such file: {path}")
    sys.exit(0 if check(**vars(arguments)) else 1)


if __name__ == "__main__":
    main()
