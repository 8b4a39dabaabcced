"""Writes synthetic BERT-shaped checkpoints of any size, for measuring speed and memory (the weights are noise)."""
import argparse
import json
import os

import numpy as np

DTYPES = {"float32": ("F32", 4), "float16": ("F16", 2), "bfloat16": ("BF16", 2)}


def bert_shapes(hidden, intermediate, layers, vocab):
    yield "bert.embeddings.word_embeddings.weight", (vocab, hidden)
    yield "bert.embeddings.position_embeddings.weight", (512, hidden)
    yield "bert.embeddings.token_type_embeddings.weight", (2, hidden)
    for end in ("weight", "bias"):
        yield f"bert.embeddings.LayerNorm.{end}", (hidden,)
    for i in range(layers):
        layer = f"bert.encoder.layer.{i}."
        for name, rows, columns in (("attention.self.query", hidden, hidden), ("attention.self.key", hidden, hidden),
                                    ("attention.self.value", hidden, hidden), ("attention.output.dense", hidden, hidden),
                                    ("intermediate.dense", intermediate, hidden), ("output.dense", hidden, intermediate)):
            yield layer + name + ".weight", (rows, columns)
            yield layer + name + ".bias", (rows,)
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            yield layer + norm + ".weight", (hidden,)
            yield layer + norm + ".bias", (hidden,)
    yield "bert.pooler.dense.weight", (hidden, hidden)
    yield "bert.pooler.dense.bias", (hidden,)
    yield "classifier.weight", (2, hidden)
    yield "classifier.bias", (2,)


def to_bytes(values, dtype):
    if dtype == "bfloat16":
        return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return values.astype(dtype).tobytes()


def write_checkpoint(folder, parameters, dtype="float32", hidden=1024, vocab=30522, seed=1, layers=None, head_size=64):
    """Adds layers until about `parameters` are reached; returns (path of model.safetensors, parameters)."""
    os.makedirs(folder, exist_ok=True)
    intermediate = 4 * hidden
    per_layer = 4 * hidden * hidden + 2 * hidden * intermediate
    layers = layers or max(1, round((parameters - vocab * hidden) / per_layer))
    config = {"architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": hidden,
              "intermediate_size": intermediate, "num_hidden_layers": layers, "num_attention_heads": hidden // head_size,
              "vocab_size": vocab, "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_act": "gelu",
              "layer_norm_eps": 1e-12, "num_labels": 2, "id2label": {"0": "A", "1": "B"}, "label2id": {"A": 0, "B": 1}}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    name, size = DTYPES[dtype]
    header, offset, count = {}, 0, 0
    shapes = list(bert_shapes(hidden, intermediate, layers, vocab))
    for tensor, shape in shapes:
        n = int(np.prod(shape))
        header[tensor] = {"dtype": name, "shape": list(shape), "data_offsets": [offset, offset + n * size]}
        offset += n * size
        count += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = to_bytes(np.random.default_rng(seed).standard_normal(1 << 23, dtype=np.float32) * np.float32(0.02), dtype)
    path = os.path.join(folder, "model.safetensors")
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        left = offset
        while left:
            file.write(block[:min(left, len(block))])
            left -= min(left, len(block))
    return path, count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--parameters", type=float, default=268e6)
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--hidden", type=int, default=1024)
    options = parser.parse_args()
    print(*write_checkpoint(options.folder, options.parameters, options.dtype, options.hidden))
