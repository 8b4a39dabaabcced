"""The weights of a bundle's graph as floats, decoded here from the operators' documented layouts (numpy only).

com.microsoft.MatMulNBits: B is uint8 [N, blocks, block_size * bits / 8], the row of output channel N; codes are
unsigned, low bits first; w = (code - zero point) * scale, zero point 2^(bits - 1) where none is stored.
MatMulInteger: B is int8 or uint8 [K, N]; w = (code - zero point of the column) * scale of the column. An embedding tied to it
gathers columns.
Embedding: rows of the same uint8 blocks, gathered and decoded by standard operators.
"""
import dataclasses
import pathlib

import numpy as np
import onnx

DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16}
PARTS = ("_q4_rows", "_q8_rows", "_q4", "_q8", "_quantized", "_scales", "_scale", "_zero_points", "_zero_point")


@dataclasses.dataclass
class Quantized:
    scheme: str          # "int8", "uint8" (a scale per row), "block8", "block4"
    codes: np.ndarray    # [rows, width], as integers
    scales: np.ndarray   # [rows, blocks], as stored
    zeros: np.ndarray    # [rows, blocks]
    block_size: int
    dynamic: bool        # its activations are quantized as well

    @property
    def spread(self):
        """(scales, zeros) of every weight, float64."""
        width = self.codes.shape[1]
        return [np.repeat(part.astype(np.float64), self.block_size, 1)[:, :width] for part in (self.scales, self.zeros)]

    @property
    def values(self):
        scales, zeros = self.spread
        return ((self.codes - zeros) * scales).astype(np.float32)


class File:
    """An ONNX file and the arrays of its initializers, those in shards included."""

    def __init__(self, path):
        path = pathlib.Path(path)
        self.model = onnx.load(path, load_external_data=False)
        self.graph = self.model.graph
        self.shapes, self.arrays, shards = {}, {}, {}
        for tensor in self.graph.initializer:
            place = {entry.key: entry.value for entry in tensor.external_data}
            if place:
                shard = shards.setdefault(place["location"], (path.parent / place["location"]).read_bytes())
                offset = int(place["offset"])
                raw = shard[offset:offset + int(place["length"])]
                assert len(raw) == int(place["length"]), f"{tensor.name} leaves {place['location']}"
                array = np.frombuffer(raw, DTYPES[tensor.data_type])
            else:
                array = onnx.numpy_helper.to_array(tensor).reshape(-1)
            self.arrays[tensor.name] = array.reshape(tuple(tensor.dims))

    def with_arrays(self, replaced, edit=None):
        """The model as bytes, everything inside, with other values for some initializers; `edit` changes the graph."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.initializer[:]
        for name, array in self.arrays.items():
            array = np.asarray(replaced.get(name, array), order="C")  # keeps scalars scalars
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        if edit:
            edit(model)
        return model.SerializeToString()


def weight_name(part):
    """The weight that an initializer is a part of: the name in the float graph."""
    suffix = next((suffix for suffix in PARTS if part.endswith(suffix)), "")
    return part.removesuffix(suffix)


def attributes(node):
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def unpack(packed, bits, count):
    """Codes of the last axis, low bits first, the first `count` of them."""
    fields = [(packed >> shift) & (2 ** bits - 1) for shift in range(0, 8, bits)]
    codes = np.stack(fields, -1).reshape(*packed.shape[:-1], -1)
    assert count <= codes.shape[-1], (packed.shape, bits, count)
    return codes[..., :count].astype(np.int64)


def blocks(packed, scales, zeros, bits, block_size, width):
    count = -(-width // block_size)
    assert packed.shape[1:] == (count, block_size * bits // 8) and scales.size == packed.shape[0] * count
    codes = unpack(packed, bits, block_size).reshape(len(packed), -1)
    zeros = np.full((len(packed), count), 2 ** (bits - 1)) if zeros is None else unpack(zeros, bits, count)
    assert bits != 4 or (codes[:, width:] == np.repeat(zeros, block_size, 1)[:, width:]).all(), "padding is not zero"
    return Quantized(f"block{bits}", codes[:, :width], scales.reshape(len(packed), count), zeros, block_size, False)


def columns(codes, scale, zeros):
    scheme = str(codes.dtype)
    zeros = np.zeros(codes.shape[1], codes.dtype) if zeros is None else zeros
    assert zeros.dtype == codes.dtype and scale.shape == zeros.shape == codes.shape[1:]
    rows = codes.T.astype(np.int64)
    return Quantized(scheme, rows, scale.reshape(-1, 1), zeros.reshape(-1, 1).astype(np.int64), rows.shape[1], True)


def quantized_weights(file, widths):
    """Every quantized weight by name; widths: how long a row of each weight is."""
    found = {}
    arrays = file.arrays

    def part(name, *suffixes):
        return next((arrays[name + suffix] for suffix in suffixes if name + suffix in arrays), None)

    for node in file.graph.node:
        given = dict(enumerate(node.input))
        if node.op_type == "MatMulNBits":
            name, options = weight_name(given[1]), attributes(node)
            packed = arrays[given[1]]
            assert (options["K"], options["N"]) == (widths[name], len(packed)), node.name
            weight = blocks(packed, arrays[given[2]], arrays.get(given.get(3)), options["bits"], options["block_size"],
                            widths[name])
        elif node.op_type == "MatMulInteger":
            name = weight_name(given[1])
            weight = columns(arrays[given[1]], part(name, "_scale"), arrays.get(given.get(3)))
        elif node.op_type == "Gather" and given[0].endswith("_quantized"):  # in the codes of the linear that it is tied to
            name = weight_name(given[0])
            assert attributes(node)["axis"] == 1, node.name
            weight = columns(arrays[given[0]], part(name, "_scale"), part(name, "_zero_point"))
        elif node.op_type == "Gather" and weight_name(given[0]) != given[0] and given[0].endswith(("_q4", "_q8")):
            name = weight_name(given[0])
            packed, scales = arrays[given[0]], part(name, "_scales")
            bits = 4 if given[0].endswith("_q4") else 8
            weight = blocks(packed, scales, None, bits, packed.shape[2] * 8 // bits, widths[name])
        elif node.op_type == "GatherBlockQuantized":
            name, options = weight_name(given[0]), attributes(node)
            packed, bits, size = arrays[given[0]], options["bits"], options["block_size"]
            assert (options["gather_axis"], options["quantize_axis"]) == (0, 1) and given.get(3) is None, node.name
            assert packed.shape[1] * 8 == widths[name] * bits and widths[name] % size == 0, node.name
            weight = blocks(packed.reshape(len(packed), -1, size * bits // 8), arrays[given[2]], None, bits, size, widths[name])
        else:
            continue
        if name in found:  # tied, or used by several layers
            assert (found[name].values == weight.values).all(), name
        found[name] = weight
    return found
