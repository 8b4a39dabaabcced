"""Small BERT checkpoints for tests from outside, written with the standard library alone."""
import array
import copy
import json
import pathlib
import random
import struct

CONFIG = {
    "architectures": ["BertForMaskedLM"], "model_type": "bert", "vocab_size": 211, "hidden_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80, "max_position_embeddings": 64,
    "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "tie_word_embeddings": True,
}
WORDS = "bert.embeddings.word_embeddings.weight"
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def shapes(config=CONFIG):
    """The tensors of BertForMaskedLM, tied."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    found = {WORDS: [config["vocab_size"], hidden],
             "bert.embeddings.position_embeddings.weight": [config["max_position_embeddings"], hidden],
             "bert.embeddings.token_type_embeddings.weight": [config["type_vocab_size"], hidden]}

    def linear(name, rows, width):
        found[name + ".weight"], found[name + ".bias"] = [rows, width], [rows]

    def norm(name):
        found[name + ".weight"], found[name + ".bias"] = [hidden], [hidden]

    norm("bert.embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        at = f"bert.encoder.layer.{layer}."
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(at + "attention." + part, hidden, hidden)
        norm(at + "attention.output.LayerNorm")
        linear(at + "intermediate.dense", inner, hidden)
        linear(at + "output.dense", hidden, inner)
        norm(at + "output.LayerNorm")
    linear("cls.predictions.transform.dense", hidden, hidden)
    norm("cls.predictions.transform.LayerNorm")
    found["cls.predictions.bias"] = [config["vocab_size"]]
    return found


def count(shape):
    product = 1
    for size in shape:
        product *= size
    return product


def floats(name, shape):
    """Normal numbers that depend on the name alone."""
    source = random.Random(name)
    return array.array("f", (source.gauss(0.0, 0.05) for _ in range(count(shape))))


def tensors(config=CONFIG):
    """name -> (dtype, shape, bytes), in the order of the file."""
    return {name: ("F32", shape, floats(name, shape).tobytes()) for name, shape in shapes(config).items()}


def header_of(entries):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    return header


def safetensors(header, data):
    """The bytes of a file from a header (text or object) and its data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write_safetensors(path, entries):
    pathlib.Path(path).write_bytes(safetensors(header_of(entries), b"".join(data for _, _, data in entries.values())))


ENTRIES = tensors()


def write_checkpoint(folder, config=None, entries=None, shards=0):
    """A checkpoint without a tokenizer; `config` changes keys of CONFIG (None removes one). With `shards`, an index and so many files."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = copy.deepcopy(CONFIG) | (config or {})
    (folder / "config.json").write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    entries = ENTRIES if entries is None else entries
    if not shards:
        write_safetensors(folder / "model.safetensors", entries)
        return folder
    weight_map = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = dict(list(entries.items())[shard::shards])
        write_safetensors(folder / name, part)
        weight_map |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder
