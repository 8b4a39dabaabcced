#!/usr/bin/env python3
"""Writes testdata/adapters: tiny LoRA adapters of PEFT over testdata/fixtures, and what PyTorch computes once they are merged.

Needs torch, transformers 5 and peft. Each folder is an adapter as PEFT's save_pretrained writes it;
base_model_name_or_path is the fixture. golden.safetensors: inputs of the fixture's golden, outputs of merge_and_unload.
"""
import argparse
import copy
import json
import pathlib
import shutil
import zlib

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

import decoder_fixtures
from make_fixtures import write_safetensors

ROOT = pathlib.Path(__file__).parents[1] / "testdata"
ATTENTION = ["query", "value"]
OUTPUTS = {"SequenceClassification": ["logits"], "MaskedLM": ["logits"], "TokenClassification": ["logits"], "Model": ["last_hidden_state"],
           "QuestionAnswering": ["start_logits", "end_logits"]}
# name: (fixture, class, LoraConfig)
TABLE = {
    "plain": ("bert-text-classification-3", "BertForSequenceClassification", dict(r=4, lora_alpha=12, target_modules=ATTENTION)),
    "patterns": ("bert-text-classification-3", "BertForSequenceClassification", dict(
        r=2, lora_alpha=4, target_modules=["query", "key", "value", "dense"], use_rslora=True, task_type="SEQ_CLS",
        rank_pattern={"key": 3, r"intermediate\.dense": 1, "^bert.pooler.dense": 5}, alpha_pattern={"attention.output.dense": 7, r"layer\.\d+\.output\.dense": 0.5})),
    "dora": ("bert-token-classification", "BertForTokenClassification", dict(
        r=3, lora_alpha=6, target_modules=["query", "dense", "word_embeddings"], use_dora=True, task_type="TOKEN_CLS")),
    "embeddings": ("bert-fill-mask", "BertForMaskedLM", dict(r=2, lora_alpha=8, target_modules=["word_embeddings", "key"], init_lora_weights="gaussian")),
    "bias": ("roberta-text-classification-3", "RobertaForSequenceClassification", dict(
        r=2, target_modules=["query", "output.dense"], bias="all", task_type="SEQ_CLS")),
    "lora-bias": ("distilbert-question-answering", "DistilBertForQuestionAnswering", dict(
        r=2, lora_alpha=3, target_modules=["q_lin", "lin2"], lora_bias=True, bias="lora_only", modules_to_save=["qa_outputs"])),
    "tokens": ("bert-feature-extraction", "BertModel", dict(
        r=2, target_modules=["value"], trainable_token_indices={"word_embeddings": [3, 17, 50]}, task_type="FEATURE_EXTRACTION")),
    # A head that the base does not have, on a base without the prefix of the class.
    "new-head": ("bert-feature-extraction", "BertForSequenceClassification", dict(r=2, target_modules=ATTENTION, task_type="SEQ_CLS")),
    "conv1d": ("gpt2-text-generation", "GPT2LMHeadModel", dict(
        r=3, lora_alpha=6, target_modules=["c_attn", "c_fc", "mlp.c_proj"], use_dora=True, task_type="CAUSAL_LM")),
    # Embeddings and heads that the base ties, or that PEFT saves with what it updates.
    "trained-head": ("llama-text-generation", "LlamaForCausalLM", dict(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM")),
    "trained-embeddings": ("gpt2-text-generation", "GPT2LMHeadModel", dict(r=2, target_modules=["c_attn"], modules_to_save=["wte"], task_type="CAUSAL_LM")),
    "trained-tied": ("qwen3-text-generation", "Qwen3ForCausalLM", dict(
        r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True, task_type="CAUSAL_LM")),
    "trained-neox-head": ("gpt_neox-text-generation", "GPTNeoXForCausalLM", dict(
        r=2, target_modules=["query_key_value"], modules_to_save=["lm_head"], task_type="CAUSAL_LM")),
    "saved-base": ("llama-text-generation-untied-biases", "LlamaForCausalLM", dict(
        r=2, lora_alpha=3, target_modules=["embed_tokens", "lm_head", "q_proj"], task_type="CAUSAL_LM")),
    "half": ("bert-feature-extraction-bf16", "BertModel", dict(r=4, lora_alpha=16, target_modules=["query", "dense"])),
}


def randomize(model):
    """What training would have changed."""
    for name, parameter in model.named_parameters():
        kept = "lora_" in name or "modules_to_save" in name or "trainable_tokens_delta" in name
        if kept or (name.endswith("bias") and parameter.requires_grad):
            scale = 1.0 + 0.2 * torch.rand(parameter.shape) if "magnitude" in name else None
            parameter.data = parameter.data * scale if scale is not None else 0.3 * torch.randn(parameter.shape)


def run(model, class_name, inputs):
    """Outputs by the names of the graph."""
    with torch.no_grad():
        if class_name.endswith(("LMHeadModel", "ForCausalLM")):
            past = {key: value for key, value in inputs.items() if key.startswith("past_key_values.")}
            past = {key: value.to(model.dtype) for key, value in past.items()} if past["past_key_values.0.key"].shape[2] else None
            mask = inputs["attention_mask"]
            return decoder_fixtures.unknown(
                decoder_fixtures.run(model, inputs["input_ids"], mask, past, int(inputs["num_logits_to_keep"])), mask)
        outputs = model(**inputs)
    return {key: outputs[key] for key in OUTPUTS[next(suffix for suffix in OUTPUTS if class_name.endswith(suffix))]}


def make(name, out):
    fixture, class_name, settings = TABLE[name]
    torch.manual_seed(zlib.crc32(name.encode()))
    base = getattr(transformers, class_name).from_pretrained(
        ROOT / "fixtures" / fixture, dtype=torch.float32, attn_implementation="eager",
        **({"num_labels": 4} if name == "new-head" else {}))
    model = peft.get_peft_model(base, peft.LoraConfig(**settings))
    randomize(model)
    directory = out / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    (directory / "README.md").unlink()
    settings_file = directory / "adapter_config.json"
    config = json.loads(settings_file.read_text())
    config["base_model_name_or_path"] = fixture  # a path of this machine says nothing elsewhere
    for key in ("target_modules", "modules_to_save"):  # sets: in any order
        if isinstance(config[key], list):
            config[key].sort()
    settings_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if name == "half":
        weights = directory / "adapter_model.safetensors"
        save_file({key: value.to(torch.float16) for key, value in load_file(weights).items()}, weights, metadata={"format": "pt"})
        model = peft.PeftModel.from_pretrained(model.unload(), directory)
    if name == "plain":  # the older form of the same file
        weights = directory / "adapter_model.safetensors"
        torch.save(load_file(weights), directory / "adapter_model.bin")
        weights.unlink()
    merged = model.merge_and_unload().eval()
    golden = load_file(ROOT / "fixtures" / fixture / "golden.safetensors")
    exact = copy.deepcopy(merged).double()
    arrays, metadata = {}, {"fixture": fixture, "class": class_name, "torch": torch.__version__,
                            "transformers": transformers.__version__, "peft": peft.__version__}
    for case in (0, 3):
        inputs = {key.removeprefix(f"case{case}.input."): value for key, value in golden.items() if key.startswith(f"case{case}.input.")}
        arrays |= {f"case{case}.input.{key}": value.numpy() for key, value in inputs.items()}
        single, double = run(merged, class_name, inputs), run(exact, class_name, inputs)
        for key, value in single.items():
            arrays[f"case{case}.output.{key}"] = value.contiguous().numpy()
            distance = (value.double() - double[key]).abs().nan_to_num().max().item()
            metadata[f"case{case}.fp64_distance.{key}"] = f"{distance:.6e}"
    write_safetensors(directory / "golden.safetensors", arrays, metadata)
    sizes = {path.name: path.stat().st_size for path in sorted(directory.iterdir())}
    print(f"{name:12} {sizes}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "adapters")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in arguments.only or TABLE:
        make(name, arguments.out)


if __name__ == "__main__":
    main()
