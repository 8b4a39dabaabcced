#!/usr/bin/env python3
"""Random cases of the com.microsoft and quantization operators, with onnxruntime's outputs.

    ms_ops.py OUT [--seed N] [--per-op N] [--run TOOL]

Writes one folder per case in the layout of the ONNX backend tests (model.onnx, test_data_set_0/input_N.pb,
output_N.pb). With --run, the tool (tests/tools/run_case.cc) then runs them all with the native runtime and compares;
its exit code is the script's. Shapes are small and odd on purpose.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"


class Case:
    """A model of one node. Inputs marked constant become initializers, so that packing is tested too."""

    def __init__(self, op, domain=MS, opset=21, **attributes):
        self.op, self.domain, self.opset = op, domain, opset
        self.attributes = {k: v for k, v in attributes.items() if v is not None}
        self.inputs, self.constants, self.names = {}, {}, []
        self.outputs = []

    def input(self, array, constant=False):
        if array is None:
            self.names.append("")
            return self
        name = f"in{len(self.names)}"
        self.names.append(name)
        (self.constants if constant else self.inputs)[name] = array
        return self

    def output(self, dtype, wanted=True):
        self.outputs.append((f"out{len(self.outputs)}" if wanted else "", dtype))
        return self

    def model(self):
        while self.names and self.names[-1] == "":
            self.names.pop()
        node = helper.make_node(self.op, self.names, [name for name, _ in self.outputs], domain=self.domain,
                                name=f"{self.op}_under_test", **self.attributes)
        value = lambda name, array: helper.make_tensor_value_info(name, proto_type(array), array.shape)
        graph = helper.make_graph(
            [node], "case", [value(n, a) for n, a in self.inputs.items()],
            [helper.make_tensor_value_info(name, dtype, None) for name, dtype in self.outputs if name],
            [to_proto(a, n) for n, a in self.constants.items()])
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MS, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def write(self, folder):
        model = self.model()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, self.inputs)
        data = folder / "test_data_set_0"
        shutil.rmtree(folder, ignore_errors=True)
        data.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        for i, (name, array) in enumerate(self.inputs.items()):
            (data / f"input_{i}.pb").write_bytes(to_proto(array, name).SerializeToString())
        for i, result in enumerate(results):
            (data / f"output_{i}.pb").write_bytes(to_proto(np.asarray(result), f"out{i}").SerializeToString())


class Packed:
    """A 4-bit tensor for an initializer: numpy has no such type."""

    def __init__(self, values, dtype):
        self.values, self.dtype, self.shape = values, dtype, values.shape


def proto_type(array):
    return array.dtype if isinstance(array, Packed) else helper.np_dtype_to_tensor_dtype(array.dtype)


def to_proto(array, name):
    if not isinstance(array, Packed):
        return numpy_helper.from_array(array, name)
    flat = array.values.astype(np.uint8).ravel() & 15
    if flat.size % 2:
        flat = np.append(flat, 0)
    proto = TensorProto(name=name, data_type=array.dtype, dims=array.shape)
    proto.raw_data = (flat[0::2] | flat[1::2] << 4).astype(np.uint8).tobytes()
    return proto


class Generator:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def coin(self):
        return bool(self.rng.integers(2))

    def floats(self, *shape, scale=1.0, dtype=np.float32):
        return (self.rng.standard_normal(shape) * scale).astype(dtype)

    def positive(self, *shape, dtype=np.float32):
        return np.asarray(self.rng.uniform(0.01, 0.1, shape), dtype)

    def bytes(self, *shape, signed=False):
        values = self.rng.integers(-127 if signed else 0, 128 if signed else 256, shape)
        return np.asarray(values, np.int8 if signed else np.uint8)

    @staticmethod
    def scalar(value, dtype=np.float32):
        return np.array(value, dtype)

    # One method per operator; its name after "case_" names the folder.

    def case_matmul_nbits(self):
        bits, block = self.pick(2, 4, 4, 4, 8), self.pick(16, 32, 64, 128)
        k, n = int(self.rng.integers(1, 300)), int(self.rng.integers(1, 70))
        blocks = -(-k // block)
        dtype = self.pick(np.float32, np.float32, np.float16)
        batch = self.pick((1,), (2, 3), (5,), (37,))
        zeros = self.pick(None, "packed", "packed", "float" if bits != 8 else None)
        if zeros == "packed":
            zeros = self.bytes(n, -(-blocks * bits // 8))
        elif zeros == "float":
            zeros = self.rng.uniform(0, 2**bits - 1, (n, blocks)).astype(dtype)
        constant = self.coin()
        case = Case("MatMulNBits", K=k, N=n, bits=bits, block_size=block, accuracy_level=self.pick(None, 0, 1))
        case.input(self.floats(*batch, k, dtype=dtype)).input(self.bytes(n, blocks, block * bits // 8), constant)
        case.input(self.floats(n, blocks, scale=0.05, dtype=dtype), constant).input(zeros, constant).input(None)
        case.input(self.floats(n, dtype=dtype) if self.coin() else None, self.coin())
        return case.output(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def case_matmul_nbits_int8(self):
        bits, block = self.pick(4, 8), self.pick(16, 32, 64, 128)
        k, n = block * int(self.rng.integers(1, 6)), int(self.rng.integers(1, 70))
        blocks = k // block
        case = Case("MatMulNBits", K=k, N=n, bits=bits, block_size=block, accuracy_level=4)
        case.input(self.floats(int(self.rng.integers(1, 9)), k)).input(self.bytes(n, blocks, block * bits // 8), True)
        case.input(self.floats(n, blocks, scale=0.05), True)
        case.input(self.bytes(n, -(-blocks * bits // 8)) if self.coin() else None, True)
        return case.output(TensorProto.FLOAT)

    def case_gather_block_quantized(self):
        bits, block = self.pick(2, 4, 8), self.pick(16, 32)
        rows, columns = int(self.rng.integers(3, 20)), block * int(self.rng.integers(1, 4))
        dtype = self.pick(np.float32, np.float16)
        case = Case("GatherBlockQuantized", bits=bits, block_size=block, gather_axis=0, quantize_axis=1)
        blocks = columns // block
        case.input(self.bytes(rows, columns * bits // 8), True)
        case.input(self.rng.integers(-rows, rows, self.pick((4,), (2, 3), ())).astype(self.pick(np.int32, np.int64)))
        case.input(self.floats(rows, blocks, dtype=dtype), True)
        case.input(self.bytes(rows, -(-blocks * bits // 8)) if self.coin() else None, True)
        return case.output(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def case_gather_block_quantized_int4(self):
        dtype, block = self.pick(TensorProto.INT4, TensorProto.UINT4), 16
        shape = (int(self.rng.integers(2, 9)), int(self.rng.integers(17, 50)), int(self.rng.integers(3, 7)))
        quantize_axis = 1
        gather_axis = self.pick(0, 2)
        scales = (shape[0], -(-shape[1] // block), shape[2])
        case = Case("GatherBlockQuantized", block_size=block, gather_axis=gather_axis, quantize_axis=quantize_axis)
        case.input(Packed(self.rng.integers(0, 16, shape), dtype), True)
        case.input(self.rng.integers(0, shape[gather_axis], (2, 3)).astype(np.int64))
        case.input(self.floats(*scales), True)
        case.input(Packed(self.rng.integers(0, 16, scales), dtype) if self.coin() else None, True)
        return case.output(TensorProto.FLOAT)

    def _weights(self, k, n):
        signed = self.coin()
        zero = self.pick(None, (), (n,))
        per_column = self.coin()
        return (self.bytes(k, n, signed=signed), self.positive(*((n,) if per_column else ())),
                None if zero is None else self.bytes(*zero, signed=signed))

    def case_dynamic_quantize_matmul(self):
        k, n = int(self.rng.integers(1, 90)), int(self.rng.integers(1, 70))
        weight, scale, zero = self._weights(k, n)
        if zero is not None and zero.shape != scale.shape:
            zero = self.bytes(*scale.shape, signed=weight.dtype == np.int8)
        constant = self.coin()
        case = Case("DynamicQuantizeMatMul").input(self.floats(*self.pick((5,), (2, 3)), k))
        case.input(weight, constant).input(scale, constant).input(zero, constant)
        return case.input(self.floats(n) if self.coin() else None).output(TensorProto.FLOAT)

    def case_matmul_integer_to_float(self):
        k, n = int(self.rng.integers(1, 90)), int(self.rng.integers(1, 70))
        weight, scale, zero = self._weights(k, n)
        if zero is not None and zero.shape != scale.shape:
            zero = self.bytes(*scale.shape, signed=weight.dtype == np.int8)
        a_signed = weight.dtype == np.int8 and self.coin()
        constant = self.coin()
        case = Case("MatMulIntegerToFloat").input(self.bytes(*self.pick((4,), (2, 3)), k, signed=a_signed))
        case.input(weight, constant).input(self.scalar(self.rng.uniform(0.01, 1))).input(scale, constant)
        case.input(self.bytes(1, signed=a_signed).reshape(()) if self.coin() else None)
        return case.input(zero, constant).input(self.floats(n) if self.coin() else None).output(TensorProto.FLOAT)

    def case_matmul_integer(self):
        k, n = int(self.rng.integers(1, 90)), int(self.rng.integers(1, 70))
        weight, _, zero = self._weights(k, n)
        case = Case("MatMulInteger", domain="").input(self.bytes(*self.pick((4,), (2, 3)), k))
        case.input(weight, self.coin()).input(self.bytes(1).reshape(()) if self.coin() or zero is not None else None)
        return case.input(zero).output(TensorProto.INT32)

    def case_qlinear_matmul(self):
        m, k, n = (int(v) for v in self.rng.integers(1, 60, 3))
        weight, scale, zero = self._weights(k, n)
        signed = weight.dtype == np.int8
        a_signed = signed and self.coin()
        of = np.int8 if a_signed else np.uint8
        case = Case("QLinearMatMul", domain="").input(self.bytes(m, k, signed=a_signed)).input(self.scalar(0.02))
        case.input(self.scalar(self.rng.integers(0, 100), of)).input(weight, self.coin()).input(scale)
        case.input(np.zeros(scale.shape, weight.dtype) if zero is None else self.bytes(*scale.shape, signed=signed))
        return case.input(self.scalar(0.9)).input(self.scalar(3, of)).output(helper.np_dtype_to_tensor_dtype(np.dtype(of)))

    def case_qgemm(self):
        m, k, n = (int(v) for v in self.rng.integers(1, 40, 3))
        signed, a_signed, transpose_a, transpose_b, float_out = (self.coin() for _ in range(5))
        a_signed = a_signed and signed
        scale = self.positive(*self.pick((), (n,)))
        case = Case("QGemm", transA=int(transpose_a), transB=int(transpose_b), alpha=float(self.pick(1.0, 0.5)))
        a = self.bytes(m, k, signed=a_signed)
        b = self.bytes(k, n, signed=signed)
        case.input(np.ascontiguousarray(a.T) if transpose_a else a).input(self.scalar(0.03))
        case.input(self.scalar(5, a.dtype)).input(np.ascontiguousarray(b.T) if transpose_b else b).input(scale)
        case.input(np.asarray(self.bytes(*scale.shape, signed=signed), b.dtype))
        case.input(self.rng.integers(-1000, 1000, self.pick((n,), (1, n), (m, n))).astype(np.int32) if self.coin() else None)
        if float_out:
            return case.output(TensorProto.FLOAT)
        case.input(self.scalar(0.7)).input(self.scalar(9, a.dtype))
        return case.output(helper.np_dtype_to_tensor_dtype(a.dtype))

    def case_dequantize_linear(self):
        kind = self.pick("tensor", "axis", "blocked")
        dtype = self.pick(np.int8, np.uint8, TensorProto.INT4, TensorProto.UINT4)
        shape = (int(self.rng.integers(2, 7)), int(self.rng.integers(17, 40)), int(self.rng.integers(1, 5)))
        block = self.pick(16, 32)
        scale_shape = {"tensor": (), "axis": (shape[1],), "blocked": (shape[0], -(-shape[1] // block), shape[2])}[kind]
        values = lambda s: (Packed(self.rng.integers(0, 16, s), dtype) if not isinstance(dtype, type) else
                            np.asarray(self.bytes(*s, signed=dtype == np.int8), dtype))
        if kind != "blocked":
            block = None
        case = Case("DequantizeLinear", domain="", axis=None if kind == "tensor" else 1, block_size=block)
        scale_type = self.pick(np.float32, np.float16)
        case.input(values(shape), True).input(self.positive(*scale_shape, dtype=scale_type))
        case.input(values(scale_shape) if self.coin() else None, True)
        return case.output(helper.np_dtype_to_tensor_dtype(np.dtype(scale_type)))

    def case_quantize_linear(self):
        per_axis = self.coin()
        dtype = self.pick(np.int8, np.uint8, np.int16, np.uint16)
        shape = (int(self.rng.integers(2, 7)), int(self.rng.integers(2, 20)))
        scale_shape = (shape[1],) if per_axis else ()
        case = Case("QuantizeLinear", domain="", axis=1 if per_axis else None)
        case.input(self.floats(*shape, scale=3)).input(self.positive(*scale_shape))
        case.input(np.asarray(self.rng.integers(0, 100, scale_shape), dtype))
        return case.output(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def case_dynamic_quantize_linear(self):
        x = self.floats(*self.pick((7,), (3, 11)), scale=5)
        if self.coin():
            x = np.abs(x)
        case = Case("DynamicQuantizeLinear", domain="").input(x)
        return case.output(TensorProto.UINT8).output(TensorProto.FLOAT).output(TensorProto.UINT8)

    def _conv(self):
        groups = self.pick(1, 2, 3)
        spatial = self.pick((9,), (7, 8))
        kernel = tuple(int(self.rng.integers(1, 4)) for _ in spatial)
        attributes = dict(group=groups, strides=[self.pick(1, 2) for _ in spatial], dilations=[self.pick(1, 2) for _ in spatial],
                          pads=[int(self.rng.integers(0, 3)) for _ in range(2 * len(spatial))])
        return groups, spatial, kernel, attributes

    def case_conv(self):
        groups, spatial, kernel, attributes = self._conv()
        channels, filters = groups * int(self.rng.integers(1, 4)), groups * int(self.rng.integers(1, 5))
        case = Case("Conv", domain="", **attributes).input(self.floats(2, channels, *spatial))
        case.input(self.floats(filters, channels // groups, *kernel), self.coin())
        return case.input(self.floats(filters) if self.coin() else None).output(TensorProto.FLOAT)

    def case_conv_integer(self):
        groups, spatial, kernel, attributes = self._conv()
        channels, filters = groups * int(self.rng.integers(1, 4)), groups * int(self.rng.integers(1, 5))
        case = Case("ConvInteger", domain="", **attributes).input(self.bytes(2, channels, *spatial))
        case.input(self.bytes(filters, channels // groups, *kernel)).input(self.scalar(17, np.uint8) if self.coin() else None)
        return case.output(TensorProto.INT32)

    def case_qlinear_conv(self):
        groups, spatial, kernel, attributes = self._conv()
        channels, filters = groups * int(self.rng.integers(1, 4)), groups * int(self.rng.integers(1, 5))
        scale = self.positive(*self.pick((), (filters,)))
        case = Case("QLinearConv", domain="", **attributes).input(self.bytes(2, channels, *spatial))
        case.input(self.scalar(0.02)).input(self.scalar(120, np.uint8))
        case.input(self.bytes(filters, channels // groups, *kernel, signed=True), True).input(scale, True)
        case.input(np.zeros(scale.shape, np.int8), True).input(self.scalar(0.2)).input(self.scalar(100, np.uint8))
        case.input(self.rng.integers(-500, 500, filters).astype(np.int32) if self.coin() else None, True)
        return case.output(TensorProto.UINT8)

    def case_conv_transpose(self):
        groups, spatial, kernel, attributes = self._conv()
        attributes["pads"] = [int(self.rng.integers(0, 2)) for _ in attributes["pads"]]
        attributes["output_padding"] = [int(self.rng.integers(0, max(s, d))) for s, d in zip(attributes["strides"], attributes["dilations"])]
        channels, filters = groups * int(self.rng.integers(1, 4)), int(self.rng.integers(1, 5))
        case = Case("ConvTranspose", domain="", **attributes).input(self.floats(2, channels, *spatial))
        case.input(self.floats(channels, filters, *kernel), self.coin())
        return case.input(self.floats(filters * groups) if self.coin() else None).output(TensorProto.FLOAT)

    def case_skip_layer_normalization(self):
        width = int(self.rng.integers(1, 70))
        x = self.floats(2, 5, width)
        skip = self.floats(*self.pick((2, 5, width), (1, 5, width), (5, width)))
        case = Case("SkipLayerNormalization", epsilon=1e-5).input(x).input(skip).input(self.floats(width), self.coin())
        case.input(self.floats(width) if self.coin() else None).input(self.floats(width) if self.coin() else None)
        return case.output(TensorProto.FLOAT).output(0, False).output(0, False).output(TensorProto.FLOAT)

    def case_skip_simplified_layer_normalization(self):
        width = int(self.rng.integers(1, 70))
        case = Case("SkipSimplifiedLayerNormalization", epsilon=1e-5).input(self.floats(2, 5, width)).input(self.floats(2, 5, width))
        case.input(self.floats(width)).input(self.floats(width) if self.coin() else None)
        return case.output(TensorProto.FLOAT).output(0, False).output(0, False).output(TensorProto.FLOAT)

    def case_simplified_layer_normalization(self):
        width = int(self.rng.integers(1, 70))
        dtype = self.pick(np.float32, np.float16)
        case = Case("SimplifiedLayerNormalization", domain="", axis=-1, epsilon=1e-5).input(self.floats(3, width, dtype=dtype))
        return case.input(self.floats(width, dtype=dtype)).output(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def case_layer_normalization(self):
        width = int(self.rng.integers(1, 70))
        dtype = self.pick(np.float32, np.float16)
        case = Case("LayerNormalization", domain="", axis=-1, epsilon=1e-5).input(self.floats(3, width, dtype=dtype))
        case.input(self.floats(width, dtype=dtype)).input(self.floats(width, dtype=dtype) if self.coin() else None)
        return case.output(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def case_gelu(self):
        return Case("Gelu").input(self.floats(4, 33, scale=3)).output(TensorProto.FLOAT)

    def case_fast_gelu(self):
        return Case("FastGelu").input(self.floats(4, 33, scale=3)).input(self.floats(33) if self.coin() else None).output(TensorProto.FLOAT)

    def case_bias_gelu(self):
        return Case("BiasGelu").input(self.floats(4, 33, scale=3)).input(self.floats(33)).output(TensorProto.FLOAT)

    def case_quick_gelu(self):
        return Case("QuickGelu", alpha=self.pick(None, 1.0, 1.5)).input(self.floats(4, 33, scale=3)).output(TensorProto.FLOAT)

    def case_rotary_embedding(self):
        batch, heads, rows, positions = 2, self.pick(1, 3), int(self.rng.integers(1, 6)), 16
        size = self.pick(8, 16)
        rotated = self.pick(size, size // 2)
        partial = rotated != size
        angles = self.floats(positions, rotated // 2)
        case = Case("RotaryEmbedding", interleaved=int(self.coin()), num_heads=heads if partial else self.pick(0, heads),
                    rotary_embedding_dim=rotated if partial else None)
        four = self.coin()
        case.input(self.floats(*((batch, heads, rows, size) if four else (batch, rows, heads * size))))
        case.input(np.array([5], np.int64) if self.coin() else self.rng.integers(0, positions, (batch, rows)).astype(np.int64))
        return case.input(np.cos(angles), True).input(np.sin(angles), True).output(TensorProto.FLOAT)

    def case_multi_head_attention(self):
        batch, heads, size = self.pick(1, 2), self.pick(1, 2, 4), self.pick(4, 8)
        rows = int(self.rng.integers(1, 9))
        cross = self.coin()
        keys = int(self.rng.integers(1, 9)) if cross else rows
        value_size = size if self.coin() else size + 4
        width = heads * size
        layout = self.pick("plain", "plain", "heads_first")  # its CPU kernel has no packed ones
        past = int(self.rng.integers(1, 5)) if layout == "plain" and not cross and self.coin() else 0
        if layout == "heads_first" or past:
            value_size = size
        if layout == "heads_first":
            past = 0
        total = keys + past
        case = Case("MultiHeadAttention", num_heads=heads, unidirectional=int(not cross and layout == "plain" and self.coin()),
                    scale=self.pick(None, 0.3))
        if layout == "heads_first":
            case.input(self.floats(batch, rows, width)).input(self.floats(batch, heads, keys, size))
            case.input(self.floats(batch, heads, keys, value_size))
        else:
            case.input(self.floats(batch, rows, width)).input(self.floats(batch, keys, width))
            case.input(self.floats(batch, keys, heads * value_size))
        # onnxruntime's CPU kernel takes a bias for the plain layout only.
        case.input(self.floats(2 * width + heads * value_size) if layout == "plain" and self.coin() else None)
        mask = None
        if self.coin():
            mask = (self.rng.random((batch, total)) < 0.7).astype(np.int32)
            mask[:, 0] = 1
        case.input(mask)
        case.input(self.floats(self.pick(1, batch), self.pick(1, heads), rows, total) if self.coin() else None)
        if past:
            case.input(self.floats(batch, heads, past, size)).input(self.floats(batch, heads, past, value_size))
        else:
            case.input(None).input(None)
        case.output(TensorProto.FLOAT)
        if past:
            case.output(TensorProto.FLOAT).output(TensorProto.FLOAT)
        return case

    def case_group_query_attention(self):
        kv_heads = self.pick(1, 2, 3)
        heads = kv_heads * self.pick(1, 2, 3)
        size = self.pick(16, 32)
        prompt = self.coin()
        batch = self.pick(1, 2)
        rows = int(self.rng.integers(1, 9)) if prompt else 1
        packed, rotary = self.coin(), self.coin()
        buffer = 0 if prompt and self.coin() else 12
        if prompt:
            lengths = np.full(batch, rows, np.int64)  # rows past a shorter length are undefined
            total = rows
        else:
            lengths = self.rng.integers(2, 12, batch)
            total = int(lengths.max())
        window = self.pick(-1, -1, int(self.rng.integers(1, 6)))
        case = Case("GroupQueryAttention", num_heads=heads, kv_num_heads=kv_heads, do_rotary=int(rotary),
                    rotary_interleaved=int(rotary and self.coin()), local_window_size=window,
                    softcap=float(self.pick(0.0, 0.0, 5.0)), scale=self.pick(None, 0.2), smooth_softmax=self.pick(None, 1))
        if packed:
            case.input(self.floats(batch, rows, (heads + 2 * kv_heads) * size)).input(None).input(None)
        else:
            case.input(self.floats(batch, rows, heads * size)).input(self.floats(batch, rows, kv_heads * size))
            case.input(self.floats(batch, rows, kv_heads * size))
        # The cache holds the rows before `lengths - rows`; the rest is not part of the result.
        past = None
        if buffer or not prompt:
            past = [self.floats(batch, kv_heads, buffer, size) for _ in range(2)]
            for cache in past:
                for b in range(batch):
                    cache[b, :, max(int(lengths[b]) - rows, 0):] = 0
        case.input(past[0] if past else np.zeros((batch, kv_heads, 0, size), np.float32))
        case.input(past[1] if past else np.zeros((batch, kv_heads, 0, size), np.float32))
        case.input((lengths - 1).astype(np.int32)).input(np.array(total, np.int32))
        if rotary:
            angles = self.floats(20, size // 2)
            case.input(np.cos(angles), True).input(np.sin(angles), True)
        else:
            case.input(None).input(None)
        case.input(None)
        case.input(self.floats(self.pick(1, batch), self.pick(1, heads), rows, total) if self.coin() else None)
        if self.coin() and "smooth_softmax" not in case.attributes:
            case.input(self.floats(heads))
        return case.output(TensorProto.FLOAT).output(TensorProto.FLOAT).output(TensorProto.FLOAT)

    def case_group_query_attention_left_padding(self):
        """A batch of prompts of different lengths, or one step behind it, padded on the left: a mask in attention_bias."""
        kv_heads, size, batch = self.pick(1, 2), 16, 3
        heads = kv_heads * self.pick(1, 4)
        total = int(self.rng.integers(4, 10))
        rows = self.pick(1, total)
        padding = self.rng.integers(0, total - 1, batch)
        mask = np.arange(total)[None, :] < padding[:, None]
        lowest = self.pick(np.finfo(np.float32).min, -65504, -10000)
        bias = np.broadcast_to(np.where(mask, lowest, 0)[:, None, None, :], (batch, 1, rows, total)).astype(np.float32)
        # Rows of the padding itself, in which nothing is visible, are nobody's: they see themselves here.
        bias[..., range(rows), range(total - rows, total)] = 0
        case = Case("GroupQueryAttention", num_heads=heads, kv_num_heads=kv_heads, do_rotary=1,
                    local_window_size=self.pick(-1, 3), softcap=float(self.pick(0.0, 5.0)))
        case.input(self.floats(batch, rows, heads * size)).input(self.floats(batch, rows, kv_heads * size))
        case.input(self.floats(batch, rows, kv_heads * size))
        for _ in range(2):
            case.input(self.floats(batch, kv_heads, total - rows, size))
        case.input(np.full(batch, total - 1, np.int32)).input(np.array(total, np.int32))
        angles = self.floats(20, size // 2)
        case.input(np.cos(angles), True).input(np.sin(angles), True)
        positions = np.maximum(np.arange(total)[None, :] - padding[:, None], 0)[:, total - rows:]
        case.input(positions.astype(np.int64) if self.coin() else None).input(bias)
        return case.output(TensorProto.FLOAT).output(TensorProto.FLOAT).output(TensorProto.FLOAT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-op", type=int, default=20)
    parser.add_argument("--only", help="one operator, by the name of its method")
    parser.add_argument("--run", help="the tool that runs the cases")
    args = parser.parse_args()
    written, refused = [], {}
    for name in sorted(dir(Generator)):
        if not name.startswith("case_") or (args.only and name != f"case_{args.only}"):
            continue
        generator = Generator([args.seed, sum(name.encode())])
        for i in range(args.per_op):
            case = getattr(generator, name)()
            folder = args.out / f"{name[5:]}_{i}"
            try:
                case.write(folder)
                written.append(folder)
            except Exception as error:  # onnxruntime's exception types are not public
                refused.setdefault(name[5:], []).append(str(error).splitlines()[0][:160])
    print(f"{len(written)} cases of {len({f.name.rsplit('_', 1)[0] for f in written})} operators")
    for name, messages in refused.items():
        print(f"onnxruntime refused {len(messages)} of {name}: {messages[0]}")
        if len(messages) == args.per_op:
            print(f"no case of {name} is left", file=sys.stderr)
            return 1
    if args.run:
        return subprocess.run([args.run, *map(str, written)], check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
