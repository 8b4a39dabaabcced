#!/usr/bin/env python3
"""Makes a twin of a checkpoint: another scaling of the same function, by exact algebra on its float32 tensors.

    python tests/oracle/make_twin.py CHECKPOINT TWIN [--kind two|random|outliers] [--seed N] [--share 0.3]

Every channel that may be rescaled without changing the model is, with the given share of probability: norm gains against
the columns of what reads them, values against output columns, up against down, keys against queries (those of
models with one layout of names: Llama's and BERT's). Factors are powers of two up to 2^8 either way (`two`, exact), anything in
between (`random`, which rounds once per tensor), or 256 for the norms' channels alone (`outliers`). Weights are written as
float32, whatever they were.
"""
import argparse
import json
import pathlib
import re
import shutil
import struct

import numpy as np

DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8"}


def read_tensors(folder):
    arrays = {}
    for path in sorted(pathlib.Path(folder).glob("model*.safetensors")):
        data = path.read_bytes()
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8:8 + size])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            raw = data[8 + size + begin:8 + size + end]
            if entry["dtype"] == "BF16":
                array = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
            else:
                array = np.frombuffer(raw, DTYPES[entry["dtype"]])
            arrays[name] = array.reshape(entry["shape"])
    return arrays


def write_tensors(path, arrays):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, array in arrays.items():
        kind = "F32" if array.dtype == np.float32 else "I64"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


class Twin:
    def __init__(self, arrays, config, factors):
        self.arrays = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in arrays.items()}
        self.config, self.factors = config, factors
        self.scaled = 0

    def rows(self, name, factors):
        array = self.arrays[name]
        self.arrays[name] = array * (factors if array.ndim == 1 else factors[:, None])

    def columns(self, name, factors):
        self.arrays[name] = self.arrays[name] * factors

    def couple(self, kind, channels, producers, consumers):
        """producers: (name, channel of each row); consumers: (name, axis, channel of each)."""
        factors = self.factors(kind, channels)
        self.scaled += int((factors != 1).sum())
        for name, channel in producers:
            for tensor in (name + ".weight", name + ".bias"):
                if tensor in self.arrays:
                    self.rows(tensor, factors[channel])
        for name, axis, channel in consumers:
            if axis == "columns":
                self.columns(name + ".weight", 1 / factors[channel])
            else:
                for tensor in (name + ".weight", name + ".bias"):
                    if tensor in self.arrays:
                        self.rows(tensor, 1 / factors[channel])

    def heads(self, q, k, v, o, rotary):
        heads = self.config.get("num_attention_heads") or self.config["n_heads"]
        groups = self.config.get("num_key_value_heads") or heads
        width = self.arrays[q + ".weight"].shape[0]
        size = width // heads
        rows = np.arange(groups * size)
        columns = np.concatenate([np.arange(size) + head // (heads // groups) * size for head in range(heads)])
        self.couple("values", groups * size, [(v, rows)], [(o, "columns", columns)])
        if rotary is None:
            return
        # Elements of a head that rotate together share a factor.
        one = np.arange(size) % (size // 2) if rotary else np.arange(size)
        per_head = one.max() + 1
        keys = np.concatenate([one + head * per_head for head in range(groups)])
        queries = np.concatenate([one + head // (heads // groups) * per_head for head in range(heads)])
        self.couple("scores", groups * per_head, [(k, keys)], [(q, "rows", queries)])

    def norm(self, name, readers):
        width = self.arrays[name + ".weight"].shape[0]
        channel = np.arange(width)
        self.couple("norm", width, [(name, channel)], [(reader, "columns", channel) for reader in readers])

    def llama(self):
        for at in sorted({m.group(0) for m in (re.match(r".*layers\.\d+\.", name) for name in self.arrays) if m}):
            self.norm(at + "input_layernorm", [at + f"self_attn.{x}_proj" for x in "qkv"])
            self.norm(at + "post_attention_layernorm", [at + "mlp.gate_proj", at + "mlp.up_proj"])
            inner = np.arange(self.arrays[at + "mlp.down_proj.weight"].shape[1])
            self.couple("up", len(inner), [(at + "mlp.up_proj", inner)], [(at + "mlp.down_proj", "columns", inner)])
            normed = at + "self_attn.q_norm.weight" in self.arrays
            self.heads(*(at + f"self_attn.{x}_proj" for x in "qkvo"), None if normed else True)
        if "lm_head.weight" in self.arrays and not self.config.get("tie_word_embeddings"):
            final = next(name for name in self.arrays if re.fullmatch(r"(model\.)?norm\.weight", name))
            self.norm(final.removesuffix(".weight"), ["lm_head"])

    def bert(self):
        for at in sorted({m.group(0) for m in (re.match(r".*layer\.\d+\.attention\.", name) for name in self.arrays) if m}):
            self.heads(at + "self.query", at + "self.key", at + "self.value", at + "output.dense", False)


def make_twin(source, target, kind="two", seed=1, share=0.3):
    """How many channels were rescaled."""
    source, target = pathlib.Path(source), pathlib.Path(target)
    random = np.random.default_rng(seed)
    config = json.loads((source / "config.json").read_text())

    def factors(what, channels):
        chosen = random.random(channels) < share
        if kind == "two":
            values = 2.0 ** random.integers(-8, 9, channels)
        elif kind == "random":
            values = 2.0 ** random.uniform(-8, 8, channels)
        else:
            values = np.full(channels, 256.0 if what == "norm" else 1.0)
        return np.where(chosen, values, 1.0)

    twin = Twin(read_tensors(source), config, factors)
    (twin.bert if config["model_type"] == "bert" else twin.llama)()
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file() and not path.name.startswith("model") and path.suffix != ".safetensors":
            shutil.copyfile(path, target / path.name)
    arrays = {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in twin.arrays.items()}
    write_tensors(target / "model.safetensors", arrays)
    return twin.scaled


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("twin", help="must not exist")
    parser.add_argument("--kind", choices=["two", "random", "outliers"], default="two")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.3, help="of the channels")
    options = parser.parse_args()
    print(make_twin(options.checkpoint, options.twin, options.kind, options.seed, options.share), "channels rescaled")


if __name__ == "__main__":
    main()
