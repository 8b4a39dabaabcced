"""Times decoders in the native runtime against onnxruntime on the same files, both taking turns in one run: reading a
prompt (prefill), and one more token behind a cache (decode).

A converted checkpoint (--checkpoint FOLDER), or one of the shape of Qwen2.5-0.5B whose weights are noise. As
benchmarks/runtime.py: a ratio is onnxruntime's time by ours, of the best of many runs and of the medians.

    .venv/bin/python benchmarks/decoder.py --checkpoint shared/models/pycode-qwen2 --dtype q4
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime

import runtime
from synthetic import to_bytes

PREFILL = (128, 512)
PAST = 128
QWEN = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
        "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0, "hidden_act": "silu", "tie_word_embeddings": True, "eos_token_id": 151643, "torch_dtype": "bfloat16"}
FILES = {"fp32": "model.onnx", "fp16": "model_fp16.onnx", "q8": "model_quantized.onnx", "q4": "model_q4.onnx", "q4f16": "model_q4f16.onnx"}


def qwen_shapes(config):
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name, rows, bias in (("q_proj", hidden, True), ("k_proj", kv, True), ("v_proj", kv, True), ("o_proj", hidden, False)):
            yield f"{layer}self_attn.{name}.weight", (rows, hidden)
            if bias:
                yield f"{layer}self_attn.{name}.bias", (rows,)
        for name, shape in (("gate_proj", (inner, hidden)), ("up_proj", (inner, hidden)), ("down_proj", (hidden, inner))):
            yield f"{layer}mlp.{name}.weight", shape
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{layer}{norm}.weight", (hidden,)
    yield "model.norm.weight", (hidden,)


def write_qwen(folder):
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(QWEN, file)
    header, offset = {}, 0
    for name, shape in qwen_shapes(QWEN):
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    block = to_bytes(np.random.default_rng(1).standard_normal(1 << 23, dtype=np.float32) * np.float32(0.02), "bfloat16")
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        while offset:
            file.write(block[:min(offset, len(block))])
            offset -= min(offset, len(block))


def bundle(options):
    """The folder of graphs and the checkpoint's configuration."""
    checkpoint = options.checkpoint or os.path.join(options.work, "qwen2.5-0.5b-noise")
    if not options.checkpoint and not os.path.isdir(checkpoint):
        write_qwen(checkpoint)
    path = os.path.join(options.work, os.path.basename(os.path.normpath(checkpoint)) + "-" + "-".join(options.dtype))
    if not os.path.isdir(path):
        subprocess.run([options.bantam, "convert", checkpoint, "-o", path, "--dtype", ",".join(options.dtype), "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
    with open(os.path.join(checkpoint, "config.json")) as file:
        return os.path.join(path, "onnx"), json.load(file)


def inputs_of(model, config, past, tokens):
    rng = np.random.default_rng(3)
    inputs = {}
    for value in onnx.load(model, load_external_data=False).graph.input:
        if value.name.startswith("past_key_values."):
            dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            dtype = np.float16 if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16 else np.float32
            inputs[value.name] = rng.standard_normal((1, dims[1], past, dims[3])).astype(dtype)
        elif value.name == "input_ids":
            inputs[value.name] = rng.integers(0, config["vocab_size"], (1, tokens))
        elif value.name == "attention_mask":
            inputs[value.name] = np.ones((1, past + tokens), np.int64)
        elif value.name == "position_ids":
            inputs[value.name] = np.arange(past, past + tokens)[None]
        elif value.name == "num_logits_to_keep":
            inputs[value.name] = np.array(1, np.int64)
    return inputs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="a decoder; default: noise of the shape of Qwen2.5-0.5B")
    parser.add_argument("--dtype", nargs="*", default=["q4"], choices=FILES)
    parser.add_argument("--bantam", default="build/release/apps/bantam/bantam")
    parser.add_argument("--tool", default="build/release/benchmarks/runtime_bench")
    parser.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "bantam-runtime-bench"))
    parser.add_argument("--seconds", type=float, default=3, help="for each line (default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--only", nargs="*", help="lines whose title contains one of these")
    parser.add_argument("--profile", action="store_true", help="our time per op below each line")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    folder, config = bundle(options)
    print(f"onnxruntime {onnxruntime.__version__}\n")
    print("| what | threads | onnxruntime ms | ours ms | ratio of the best | of medians | |\n|:--|--:|--:|--:|--:|--:|:--|")
    for dtype in options.dtype:
        model = os.path.join(folder, FILES[dtype])
        lines = [(f"{dtype} decode behind {PAST}", PAST, 1)] + [(f"{dtype} prefill {n}", 0, n) for n in PREFILL]
        for title, past, tokens in lines:
            for threads in options.threads:
                if runtime.wanted(options, title):
                    runtime.measure(options, title, model, inputs_of(model, config, past, tokens), threads, 0.9)


if __name__ == "__main__":
    main()
