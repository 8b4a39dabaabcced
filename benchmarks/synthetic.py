"""Writes synthetic checkpoints of any size, shaped like BERT or like a decoder, for measuring speed and memory (the weights are noise)."""
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
    return write_weights(folder, bert_shapes(hidden, intermediate, layers, vocab), dtype, seed)


# model_type, layers, hidden and intermediate size, heads, key-value heads, size of a head, vocabulary; all tie the embeddings.
DECODERS = {"Qwen2.5-0.5B": ("qwen2", 24, 896, 4864, 14, 2, 64, 151936),
            "Llama-3.2-1B": ("llama", 16, 2048, 8192, 32, 8, 64, 128256)}


def decoder_shapes(kind, layers, hidden, intermediate, heads, groups, size, vocab):
    yield "model.embed_tokens.weight", (vocab, hidden)
    for i in range(layers):
        layer = f"model.layers.{i}."
        for name, rows, columns in (("q_proj", heads * size, hidden), ("k_proj", groups * size, hidden),
                                    ("v_proj", groups * size, hidden), ("o_proj", hidden, heads * size)):
            yield f"{layer}self_attn.{name}.weight", (rows, columns)
            if kind == "qwen2" and name != "o_proj":
                yield f"{layer}self_attn.{name}.bias", (rows,)
        for name, rows, columns in (("gate_proj", intermediate, hidden), ("up_proj", intermediate, hidden),
                                    ("down_proj", hidden, intermediate)):
            yield f"{layer}mlp.{name}.weight", (rows, columns)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield layer + norm + ".weight", (hidden,)
    yield "model.norm.weight", (hidden,)


def write_decoder(folder, shape, dtype="bfloat16", seed=1):
    """One of DECODERS; returns (path of model.safetensors, parameters)."""
    os.makedirs(folder, exist_ok=True)
    kind, layers, hidden, intermediate, heads, groups, size, vocab = DECODERS[shape]
    config = {"architectures": ["Qwen2ForCausalLM" if kind == "qwen2" else "LlamaForCausalLM"], "model_type": kind,
              "hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": groups, "head_dim": size, "vocab_size": vocab, "max_position_embeddings": 32768,
              "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": True}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    return write_weights(folder, decoder_shapes(*DECODERS[shape]), dtype, seed)


def write_weights(folder, shapes, dtype, seed):
    name, size = DTYPES[dtype]
    header, offset, count = {}, 0, 0
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
