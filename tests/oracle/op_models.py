"""One-node ONNX models: which operators, for which element types, does a runtime make a session of?

    op_models.py FOLDER     writes FOLDER/<domain>_<Type>_<variant>_<dtype>.onnx

The element type is that of the input that decides where the node can run (for 4-bit weights: of the activations or
scales)."""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "i64": TensorProto.INT64, "i32": TensorProto.INT32,
         "u8": TensorProto.UINT8, "i8": TensorProto.INT8, "bool": TensorProto.BOOL}
NUMPY = {"f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32, "u8": np.uint8, "i8": np.int8,
         "bool": np.bool_}
FLOATS = ("f32", "f16")
NUMBERS = ("f32", "f16", "i64", "i32")
ALL = ("f32", "f16", "i64", "i32", "u8", "i8", "bool")
MS = "com.microsoft"


class Case:
    """inputs: (shape, dtype) for what is fed, a numpy array for an initializer, None for an omitted one. `T` as a dtype is
    the type under test."""

    def __init__(self, op, dtypes, inputs, outputs=("T",), domain="", variant="", attributes=None, opset=21):
        self.op, self.dtypes, self.inputs, self.outputs = op, dtypes, inputs, outputs
        self.domain, self.variant, self.attributes, self.opset = domain, variant, attributes or {}, opset

    def model(self, dtype):
        def resolved(name):
            return dtype if name == "T" else name
        names, feeds, constants = [], [], []
        for i, value in enumerate(self.inputs):
            if value is None:
                names.append("")
                continue
            names.append(f"x{i}")
            if callable(value):
                value = value(NUMPY[dtype])
            if isinstance(value, (np.ndarray, np.generic)):
                constants.append(numpy_helper.from_array(value, f"x{i}"))
            else:
                shape, kind = value
                feeds.append(helper.make_tensor_value_info(f"x{i}", TYPES[resolved(kind)], shape))
        outputs = [f"y{i}" if kind else "" for i, kind in enumerate(self.outputs)]
        attributes = {k: v(NUMPY[dtype]) if callable(v) else v for k, v in self.attributes.items()}
        node = helper.make_node(self.op, names, outputs, domain=self.domain, **attributes)
        results = [helper.make_tensor_value_info(name, TYPES[resolved(kind)], None)
                   for name, kind in zip(outputs, self.outputs) if kind]
        graph = helper.make_graph([node], "g", feeds, results, constants)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MS, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        return model


def i64(*values):
    return np.array(values, dtype=np.int64)


def floats(*shape):
    return lambda kind: np.asarray(np.linspace(-1, 1, int(np.prod(shape))).reshape(shape), dtype=kind)


X = (["n", 4, 8], "T")
Y = ([8], "T")


def unary(*ops, dtypes=FLOATS, **kwargs):
    return [Case(op, dtypes, [X], **kwargs) for op in ops]


def packed(n, k, block, bits=4):
    return np.zeros((n, k // block, block * bits // 8), np.uint8)


CASES = [
    *[Case(op, NUMBERS, [X, Y]) for op in ("Add", "Sub", "Mul", "Div")],
    Case("Pow", FLOATS, [X, Y]), Case("Mod", NUMBERS, [X, Y], attributes={"fmod": 1}),
    *unary("Sqrt", "Erf", "Exp", "Log", "Tanh", "Sigmoid", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Softplus",
           "Floor", "Ceil", "Round", "Sin", "Cos", "Reciprocal", "Mish"),
    *unary("Neg", "Abs", "Sign", dtypes=NUMBERS), *unary("Relu", dtypes=FLOATS), *unary("Gelu"),
    *[Case(op, FLOATS, [X]) for op in ("Softmax", "LogSoftmax")],
    Case("Clip", NUMBERS, [X, ([], "T"), ([], "T")]),
    *[Case(op, NUMBERS, [X, X]) for op in ("Min", "Max")],
    *[Case(op, NUMBERS, [X, Y], outputs=("bool",)) for op in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")],
    *[Case(op, ("bool",), [X, Y]) for op in ("And", "Or", "Xor")], Case("Not", ("bool",), [X]),
    Case("IsNaN", FLOATS, [X], outputs=("bool",)),
    Case("MatMul", FLOATS, [X, floats(8, 6)]), Case("Gemm", FLOATS, [(["n", 8], "T"), floats(6, 8), floats(6)], attributes={"transB": 1}),
    Case("Einsum", FLOATS, [X, floats(8, 6)], attributes={"equation": "bij,jk->bik"}),
    Case("Conv", FLOATS, [(["n", 4, 8, 8], "T"), floats(6, 4, 3, 3), floats(6)]),
    Case("Conv", FLOATS, [(["n", 4, 8], "T"), floats(6, 4, 3), floats(6)], variant="1d"),
    Case("ConvTranspose", FLOATS, [(["n", 4, 8, 8], "T"), floats(4, 6, 3, 3)]),
    Case("ConvInteger", ("u8",), [(["n", 4, 8, 8], "u8"), np.ones((6, 4, 3, 3), np.int8)], outputs=("i32",)),
    Case("MatMulInteger", ("u8", "i8"), [X, np.ones((8, 6), np.int8), lambda kind: np.zeros((), kind)], outputs=("i32",)),
    Case("MatMulInteger", ("u8",), [X, np.ones((8, 6), np.uint8), np.zeros((), np.uint8), np.zeros((), np.uint8)],
         outputs=("i32",), variant="u8"),
    Case("DynamicQuantizeLinear", ("f32",), [X], outputs=("u8", "f32", "u8")),
    Case("QuantizeLinear", FLOATS, [X, floats(), np.zeros((), np.uint8)], outputs=("u8",)),
    Case("DequantizeLinear", ("u8", "i8"), [X, np.array(0.5, np.float32), lambda kind: np.zeros((), kind)],
         outputs=("f32",)),
    Case("LayerNormalization", FLOATS, [X, floats(8), floats(8)]),
    Case("SimplifiedLayerNormalization", FLOATS, [X, floats(8)], attributes={"axis": -1, "epsilon": 1e-6}),
    Case("RMSNormalization", FLOATS, [X, floats(8)], opset=23),
    Case("InstanceNormalization", FLOATS, [(["n", 4, 8, 8], "T"), floats(4), floats(4)]),
    Case("GroupNormalization", FLOATS, [(["n", 4, 8, 8], "T"), floats(4), floats(4)], attributes={"num_groups": 2}),
    Case("BatchNormalization", FLOATS, [(["n", 4, 8, 8], "T"), floats(4), floats(4), floats(4), lambda k: np.ones(4, k)]),
    *[Case(op, NUMBERS if op in ("ReduceSum", "ReduceMax", "ReduceMin") else FLOATS, [X, i64(-1)])
      for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare")],
    Case("ArgMax", FLOATS, [X], outputs=("i64",), attributes={"axis": -1}),
    Case("CumSum", NUMBERS, [X, i64(1)]), Case("TopK", FLOATS, [X, i64(2)], outputs=("T", "i64")),
    Case("Gather", ALL, [(["v", 8], "T"), (["n", 4], "i64")]),
    Case("GatherElements", ALL, [(["n", 8], "T"), (["n", 4], "i64")], attributes={"axis": 1}),
    Case("GatherND", ALL, [X, (["m", 2], "i64")]),
    Case("ScatterND", ALL, [X, (["m", 2], "i64"), (["m", 8], "T")]),
    Case("ScatterElements", ALL, [(["n", 8], "T"), (["n", 4], "i64"), (["n", 4], "T")], attributes={"axis": 1}),
    Case("Concat", ALL, [X, X], attributes={"axis": 1}), Case("Split", ALL, [X], outputs=("T", "T"), attributes={"axis": 2, "num_outputs": 2}),
    Case("Slice", ALL, [X, i64(1), i64(3), i64(1)]), Case("Reshape", ALL, [X, i64(0, -1)]),
    Case("Transpose", ALL, [X], attributes={"perm": [0, 2, 1]}), Case("Squeeze", ALL, [(["n", 1, 8], "T"), i64(1)]),
    Case("Unsqueeze", ALL, [X, i64(1)]), Case("Expand", ALL, [Y, (["r"], "i64")]), Case("Tile", ALL, [X, i64(1, 2, 1)]),
    Case("Pad", ("f32", "f16", "i64", "i32"), [X, i64(0, 0, 1, 0, 0, 1)]), Case("Flatten", ALL, [X]), Case("Identity", ALL, [X]),
    Case("Where", ALL, [(["n", 4, 8], "bool"), X, X]), Case("Trilu", ALL, [X]),
    Case("Cast", ALL, [X], outputs=("f32",), attributes={"to": TensorProto.FLOAT}),
    Case("Cast", ("f32",), [X], outputs=("f16",), attributes={"to": TensorProto.FLOAT16}, variant="to_f16"),
    Case("Cast", ("f32",), [X], outputs=("i64",), attributes={"to": TensorProto.INT64}, variant="to_i64"),
    Case("Range", ("f32", "i64", "i32"), [([], "T"), ([], "T"), ([], "T")]), Case("Shape", ALL, [X], outputs=("i64",)),
    Case("ConstantOfShape", ALL, [(["r"], "i64")],
         attributes={"value": lambda kind: numpy_helper.from_array(np.zeros(1, kind))}),
    Case("OneHot", FLOATS, [(["n"], "i64"), i64(4), floats(2)]), Case("NonZero", ("f32", "bool", "i64"), [X], outputs=("i64",)),
    Case("Resize", FLOATS, [(["n", 4, 8, 8], "T"), None, np.array([1, 1, 2, 2], np.float32)], attributes={"mode": "linear"}),
    *[Case(op, FLOATS, [(["n", 4, 8, 8], "T")], attributes={"kernel_shape": [2, 2]}) for op in ("MaxPool", "AveragePool")],
    Case("GlobalAveragePool", FLOATS, [(["n", 4, 8, 8], "T")]),
    Case("DepthToSpace", FLOATS, [(["n", 4, 8, 8], "T")], attributes={"blocksize": 2}),
    Case("Attention", FLOATS, [(["n", 2, "s", 8], "T")] * 3, opset=23),
    Case("RotaryEmbedding", FLOATS, [(["n", 2, "s", 8], "T"), (["n", "s", 4], "T"), (["n", "s", 4], "T")], opset=23),
    Case("LSTM", FLOATS, [(["s", "n", 8], "T"), floats(1, 16, 8), floats(1, 16, 4)], attributes={"hidden_size": 4}),
    Case("GRU", FLOATS, [(["s", "n", 8], "T"), floats(1, 12, 8), floats(1, 12, 4)], attributes={"hidden_size": 4}),
    # Contributed operators.
    *[Case(op, FLOATS, [X], domain=MS) for op in ("Gelu", "FastGelu", "QuickGelu")],
    Case("BiasGelu", FLOATS, [X, floats(8)], domain=MS),
    Case("SkipLayerNormalization", FLOATS, [X, X, floats(8), floats(8)], domain=MS),
    Case("SkipSimplifiedLayerNormalization", FLOATS, [X, X, floats(8)], domain=MS),
    Case("MatMulNBits", FLOATS, [(["n", 4, 32], "T"), packed(16, 32, 32), lambda k: np.ones(16, k)], domain=MS, variant="4",
         attributes={"K": 32, "N": 16, "bits": 4, "block_size": 32}),
    Case("MatMulNBits", FLOATS, [(["n", 4, 32], "T"), packed(16, 32, 32), lambda k: np.ones(16, k), np.zeros(16, np.uint8)], domain=MS,
         variant="4zp", attributes={"K": 32, "N": 16, "bits": 4, "block_size": 32}),
    Case("MatMulNBits", FLOATS, [(["n", 4, 32], "T"), packed(16, 32, 32, 8), lambda k: np.ones(16, k)], domain=MS, variant="8",
         attributes={"K": 32, "N": 16, "bits": 8, "block_size": 32}),
    Case("MatMulNBits", FLOATS, [(["n", 4, 32], "T"), packed(16, 32, 32, 2), lambda k: np.ones(16, k)], domain=MS, variant="2",
         attributes={"K": 32, "N": 16, "bits": 2, "block_size": 32}),
    Case("GatherBlockQuantized", FLOATS, [np.zeros((16, 16), np.uint8), (["n", 4], "i64"), lambda k: np.ones((16, 1), k)], domain=MS,
         variant="4", attributes={"block_size": 32, "bits": 4, "gather_axis": 0, "quantize_axis": 1}),
    Case("GatherBlockQuantized", FLOATS, [np.zeros((16, 32), np.uint8), (["n", 4], "i64"), lambda k: np.ones((16, 1), k)], domain=MS,
         variant="8", attributes={"block_size": 32, "bits": 8, "gather_axis": 0, "quantize_axis": 1}),
    Case("GroupQueryAttention", FLOATS, [(["n", "s", 32], "T"), (["n", "s", 16], "T"), (["n", "s", 16], "T"), (["n", 2, "p", 8], "T"),
                                          (["n", 2, "p", 8], "T"), (["n", 1], "i32"), ([], "i32")],
         outputs=("T", "T", "T"), domain=MS, attributes={"num_heads": 4, "kv_num_heads": 2}),
    Case("MultiHeadAttention", FLOATS, [(["n", "s", 32], "T")] * 3, domain=MS, attributes={"num_heads": 4}),
    Case("Attention", FLOATS, [(["n", "s", 32], "T"), floats(32, 96), floats(96)], domain=MS, attributes={"num_heads": 4}),
    Case("RotaryEmbedding", FLOATS, [(["n", 2, "s", 8], "T"), (["n", "s"], "i64"), floats(64, 4), floats(64, 4)], domain=MS),
    Case("EmbedLayerNormalization", FLOATS, [(["n", "s"], "i32"), (["n", "s"], "i32"), floats(16, 8), floats(16, 8), floats(2, 8),
                                              floats(8), floats(8)], outputs=("T", "i32"), domain=MS),
    Case("DynamicQuantizeMatMul", ("f32",), [X, np.ones((8, 6), np.int8), np.ones(6, np.float32)], domain=MS),
    Case("MatMulIntegerToFloat", ("u8",), [X, np.ones((8, 6), np.int8), np.ones((), np.float32), np.ones(6, np.float32)],
         outputs=("f32",), domain=MS),
    Case("FusedMatMul", FLOATS, [X, floats(8, 6)], domain=MS),
    Case("MatMulBnb4", FLOATS, [(["n", 4, 32], "T"), np.zeros(16 * 32 // 2, np.uint8), lambda k: np.ones(16, k)], domain=MS,
         attributes={"K": 32, "N": 16, "block_size": 32, "quant_type": 1}),
]


def name(case, dtype):
    domain = "ms" if case.domain else "ai"
    return "_".join(word for word in (domain, case.op, case.variant.replace("_", "-"), dtype) if word)


def write_models(folder):
    """Writes every model and returns {file name: (domain, op, variant, dtype)}."""
    folder = pathlib.Path(folder)
    written = {}
    for case in CASES:
        for dtype in case.dtypes:
            file = name(case, dtype) + ".onnx"
            assert file not in written, file
            (folder / file).write_bytes(case.model(dtype).SerializeToString())
            written[file] = (case.domain, case.op, case.variant, dtype)
    return written


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).mkdir(exist_ok=True, parents=True)
    print(len(write_models(sys.argv[1])), "models")
