#!/usr/bin/env python3
"""Runs a bundle's graph with onnxruntime and compares it with what PyTorch computed (golden.safetensors).

The error of an output is its largest absolute difference, as a share of the golden's largest magnitude. Allowed is
max(1e-5, twice fp32 PyTorch's own distance from fp64), or --tolerance for variants that are not fp32.
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
        arrays[name] = np.frombuffer(data[8 + size:][begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata


def read_cases(path):
    """A list of (inputs, outputs, fp64 distances), each by name."""
    arrays, metadata = read_safetensors(path)
    cases = {}
    for key, array in arrays.items():  # case0.input.input_ids
        case, kind, name = key.split(".")
        inputs, outputs, distances = cases.setdefault(case, ({}, {}, {}))
        (inputs if kind == "input" else outputs)[name] = array
        if kind == "output":
            distances[name] = float(metadata[f"{case}.fp64_distance.{name}"])
    return list(cases.values())


def judge(got, want, distance, tolerance):
    """(error, allowed), both as shares of the golden's largest magnitude; not comparable or not finite is infinite."""
    scale = float(np.abs(want).max())
    allowed = max(1e-5, 2 * distance / scale) if tolerance is None else tolerance
    if got.shape != want.shape or got.dtype != want.dtype or not np.isfinite(got).all():
        return float("inf"), allowed
    return float(np.abs(got.astype(np.float64) - want).max()) / scale, allowed


def check(bundle, golden, file="onnx/model.onnx", tolerance=None, report=print):
    """Compares every case; reports one line for each and returns whether all are within."""
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
        if have != set(want):
            report(f"FAIL {path}: {what} are {sorted(have)} where {sorted(want)} were expected")
            return False
    good, names = True, list(cases[0][1])
    for i, (inputs, outputs, distances) in enumerate(cases):
        try:
            results = dict(zip(names, session.run(names, inputs)))
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
