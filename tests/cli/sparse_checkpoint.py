"""Large checkpoints that cost nothing to make."""
import json
import struct

HIDDEN, VOCABULARY = 1024, 4096


def write_checkpoint(folder, layers):
    """A BERT encoder of about 50 MB a layer whose weights are a hole in the file: seconds of work, no disk."""
    shapes = {"embeddings.word_embeddings.weight": [VOCABULARY, HIDDEN],
              "embeddings.position_embeddings.weight": [512, HIDDEN],
              "embeddings.token_type_embeddings.weight": [2, HIDDEN],
              "embeddings.LayerNorm.weight": [HIDDEN], "embeddings.LayerNorm.bias": [HIDDEN]}
    for layer in range(layers):
        at = f"encoder.layer.{layer}."
        for name, rows, columns in (("attention.self.query", 1, 1), ("attention.self.key", 1, 1),
                                    ("attention.self.value", 1, 1), ("attention.output.dense", 1, 1),
                                    ("intermediate.dense", 4, 1), ("output.dense", 1, 4)):
            shapes[f"{at}{name}.weight"] = [rows * HIDDEN, columns * HIDDEN]
            shapes[f"{at}{name}.bias"] = [rows * HIDDEN]
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{at}{norm}.weight"] = shapes[f"{at}{norm}.bias"] = [HIDDEN]
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    (folder / "config.json").write_text(json.dumps(
        {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": HIDDEN, "num_hidden_layers": layers,
         "num_attention_heads": 16, "intermediate_size": 4 * HIDDEN, "vocab_size": VOCABULARY, "hidden_act": "gelu",
         "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12}))
