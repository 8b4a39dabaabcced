#!/usr/bin/env python3
"""onnxruntime's dynamic q8 of a float32 graph, one scale per output channel, in one file: what benchmarks/wasm_decoder.mjs compares with.

usage: onnxruntime_q8.py MODEL.onnx OUT.onnx
A table that a lookup and a product share is stored twice first: its quantizer turns the product's over under the lookup's feet.
"""
import sys
import tempfile

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic


def untie(graph):
    tables = {tensor.name: tensor for tensor in graph.initializer}
    products = {node.input[1] for node in graph.node if node.op_type in ("Gemm", "MatMul")}
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] in products and node.input[0] in tables:
            copy = onnx.TensorProto.FromString(tables[node.input[0]].SerializeToString())
            copy.name = node.input[0] = f"{node.input[0]}_table"
            graph.initializer.append(copy)


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    model = onnx.load(sys.argv[1])
    untie(model.graph)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as whole:
        onnx.save(model, whole.name)
        # The type is for outputs of onnxruntime's own operators, whose types onnx's inference does not know.
        quantize_dynamic(whole.name, sys.argv[2], per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
                         extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})
    return 0


if __name__ == "__main__":
    sys.exit(main())
