#!/usr/bin/env python3
"""Checks that onnxruntime reads what the codecs write: MatMulNBits, GatherBlockQuantized and MatMulInteger.

usage: codecs_onnx.py PATH/TO/bantam_encode_floats

Random weights of odd sizes are encoded by the tool, decoded here from the documented layout with numpy, and run by
onnxruntime. Both must agree, and the decoded weights must be as close to the original as the number of bits allows.
Exit code: 0 all agree, 1 not, 2 usage.
"""
import itertools
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(1)


class Encoder:
    def __init__(self, tool, folder):
        self.tool, self.folder, self.runs = tool, pathlib.Path(folder), 0

    def encode(self, weights, codec):
        """Returns a function (suffix, dtype, shape) -> part."""
        self.runs += 1
        source, out = self.folder / "weights", str(self.folder / f"run{self.runs}")
        rows, width = weights.shape
        source.write_bytes(weights.astype("<f4").tobytes())
        subprocess.run([self.tool, source, str(rows), str(width), codec, out], check=True)
        return lambda suffix, dtype, shape: np.fromfile(out + suffix, dtype).reshape(shape)


def unpack(packed, bits):
    """Codes of the last axis, low bits first."""
    if bits == 8:
        return packed.astype(np.int32)
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1).astype(np.int32)


def run(nodes, initializers, inputs, feed):
    infos = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
             for name, array in inputs.items()]
    graph = helper.make_graph(nodes, "check", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(array, name) for name, array in initializers.items()])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21),
                                                                   helper.make_opsetid("com.microsoft", 1)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], feed)[0]


def distance(got, expected):
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def check_blocks(encoder, shape, bits, size, symmetric, layout):
    rows, width = shape
    blocks = -(-width // size)
    weights = RANDOM.normal(0, 0.05, shape).astype(np.float32)
    part = encoder.encode(weights, f"{bits}/{size}/{'sym' if symmetric else 'asym'}/{layout}")
    stored = (rows, blocks, size * bits // 8) if layout == "matmul" else (rows, width * bits // 8)
    codes, scales = part(f"_q{bits}", np.uint8, stored), part("_scales", np.float32, (rows, blocks))
    initializers, zero_points = {"b": codes, "scales": scales}, np.full((rows, blocks), 1 << (bits - 1))
    if not symmetric:
        initializers["zero_points"] = part("_zero_points", np.uint8, (rows, -(-blocks * bits // 8)))
        zero_points = unpack(initializers["zero_points"], bits)[:, :blocks]
    steps = unpack(codes, bits).reshape(rows, -1)[:, :width] - np.repeat(zero_points, size, axis=1)[:, :width]
    decoded = steps * np.repeat(scales, size, axis=1)[:, :width]
    loss = float(np.square(decoded - weights).mean() / np.square(weights).mean())
    if layout == "matmul":
        a = RANDOM.normal(0, 1, (3, width)).astype(np.float32)
        node = helper.make_node("MatMulNBits", ["a", *initializers], ["y"], domain="com.microsoft", K=width, N=rows,
                                bits=bits, block_size=size)
        error = distance(run([node], initializers, {"a": a}, {"a": a}), a.astype(np.float64) @ decoded.T)
    else:
        indices = np.array([[0, rows - 1, rows // 2]], np.int64)
        node = helper.make_node("GatherBlockQuantized", ["b", "i", *list(initializers)[1:]], ["y"],
                                domain="com.microsoft", gather_axis=0, quantize_axis=1, bits=bits, block_size=size)
        error = distance(run([node], initializers, {"i": indices}, {"i": indices}), decoded[indices])
    return error <= 1e-5 and loss < (0.012 if bits == 4 else 6e-5), error, loss


def check_channels(encoder, codec):
    rows, width = 11, 250
    weights = RANDOM.normal(0, 0.05, (rows, width)).astype(np.float32)
    part = encoder.encode(weights, codec)
    codes = np.ascontiguousarray(part("_quantized", codec, (rows, width)).T)  # what the writer stores
    scales = part("_scale", np.float32, rows)
    initializers, zero_points = {"b": codes, "a_zero": np.array(3, np.uint8)}, np.zeros(rows, np.int32)
    if codec == "uint8":
        initializers["b_zero"] = part("_zero_point", np.uint8, rows)
        zero_points = initializers["b_zero"].astype(np.int32)
    decoded = (codes.astype(np.int32) - zero_points) * scales
    loss = float(np.square(decoded.T - weights).mean() / np.square(weights).mean())
    a = RANDOM.integers(0, 256, (3, width)).astype(np.uint8)
    nodes = [helper.make_node("MatMulInteger", ["a", *initializers], ["sums"]),
             helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
             helper.make_node("Mul", ["floats", "scale"], ["y"])]
    got = run(nodes, {**initializers, "scale": scales}, {"a": a}, {"a": a})
    error = distance(got, (a.astype(np.float64) - 3) @ decoded)
    return error <= 1e-6 and loss < 1e-4, error, loss


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        encoder = Encoder(sys.argv[1], folder)
        cases = [(f"{shape} {bits} bits, blocks of {size}, {'symmetric' if symmetric else 'asymmetric'}, {layout}",
                  lambda *_, c=(shape, bits, size, symmetric, layout): check_blocks(encoder, *c))
                 for shape, bits, size, symmetric, layout in itertools.product(
                     [(7, 250), (5, 96), (1, 1024), (33, 18), (9, 312)], [4, 8], [16, 32, 128], [True, False],
                     ["matmul", "gather"])]
        cases += [(codec, lambda c=codec: check_channels(encoder, c)) for codec in ("int8", "uint8")]
        for name, check in cases:
            ok, error, loss = check()
            if not ok:
                failures += 1
                print(f"FAILED {name}: onnxruntime differs by {error:.2e}, relative loss {loss:.2e}")
        print(f"{len(cases) - failures} of {len(cases)} layouts are read by onnxruntime {onnxruntime.__version__} as meant")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
