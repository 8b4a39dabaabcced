#!/usr/bin/env python3
"""Writes testdata/pruning-golden.safetensors: what PyTorch computes when attention heads are masked.

For fixtures of testdata/fixtures, with the inputs of their case 0: a hook before the linear that reads the heads sets
the columns of masked heads to 0. A graph without these heads must give the same outputs. Tensors are named
<fixture>/<heads>/<output>, heads as `bantam convert --prune-heads` takes them. Needs torch and transformers 5.
"""
import json
import pathlib
import re

import numpy as np
import torch
from safetensors.numpy import load_file

from decoder_fixtures import table as decoder_table
from fixture_table import table
from make_fixtures import write_safetensors

ROOT = pathlib.Path(__file__).resolve().parents[1] / "testdata"
# Fixture, the linears that read heads (layer in the first group), heads to mask. Of decoders a head is a group of keys.
BERT = r"encoder\.layer\.(\d+)\.attention\.output\.dense$"
CASES = [
    ("bert-feature-extraction", BERT, "0:1"),
    ("bert-feature-extraction", BERT, "0:0,2;1:1,2"),
    ("bert-text-classification-3", BERT, "0:0,3,4"),
    ("roberta-token-classification", BERT, "0:1,2"),
    ("electra-feature-extraction", BERT, "0:0;1:2"),
    ("distilbert-feature-extraction", r"transformer\.layer\.(\d+)\.attention\.out_lin$", "0:0,1;1:2"),
    ("mpnet-feature-extraction", r"encoder\.layer\.(\d+)\.attention\.attn\.o$", "0:2;1:0,1"),
    ("mobilebert-feature-extraction", BERT, "0:0;1:1,2"),
    ("albert-feature-extraction-two-groups-inner-two", r"albert_layer_groups\.(\d+)\.albert_layers\.(\d+)\.attention\.dense$",
     "0:0;3:1,2"),
    ("llama-text-generation", r"layers\.(\d+)\.self_attn\.o_proj$", "0:1;1:2"),
    ("llama-text-generation-untied-biases", r"layers\.(\d+)\.self_attn\.o_proj$", "0:0,1;1:0,2"),
    ("qwen2-text-generation", r"layers\.(\d+)\.self_attn\.o_proj$", "0:0;1:1"),
    ("qwen3-text-generation", r"layers\.(\d+)\.self_attn\.o_proj$", "0:1;1:1"),
]


def parse(heads):
    return {int(layer): [int(head) for head in names.split(",")]
            for layer, names in (part.split(":") for part in heads.split(";"))}


def mask_columns(columns):
    def hook(module, inputs):
        masked = inputs[0].clone()
        masked[..., columns] = 0
        return (masked, *inputs[1:])
    return hook


def run(row, pattern, heads):
    directory = ROOT / "fixtures" / row.name
    model = row.cls().from_pretrained(directory, dtype=torch.float32, attn_implementation="eager", **row.model).eval()
    config = json.loads((directory / "config.json").read_text())
    count = config.get("num_key_value_heads") or config.get("n_heads") or config["num_attention_heads"]
    hooked = 0
    for name, module in model.named_modules():
        found = re.search(pattern, name)
        if not found:
            continue
        layer = int(found[1])
        if found.re.groups == 2:
            layer = layer * config["inner_group_num"] + int(found[2])
        size = module.in_features // count
        columns = [head * size + i for head in parse(heads).get(layer, []) for i in range(size)]
        if columns:
            module.register_forward_pre_hook(mask_columns(columns))
            hooked += 1
    assert hooked == len(parse(heads)), (row.name, hooked)
    golden = load_file(directory / "golden.safetensors")
    inputs = {name[len("case0.input."):]: torch.from_numpy(value) for name, value in golden.items()
              if name.startswith("case0.input.") and "past" not in name and "num_logits" not in name}
    with torch.no_grad():
        outputs = model(**inputs)
    wanted = [name[len("case0.output."):] for name in golden if name.startswith("case0.output.") and "present" not in name]
    for name in wanted:
        value = outputs[name].numpy()
        if row.task == "text-generation":  # nothing is promised at padding
            value = np.where(inputs["attention_mask"].numpy()[:, :, None] == 0, np.float32("nan"), value)
        assert np.nanmax(np.abs(value - golden[f"case0.output.{name}"])) > 1e-3, "masking changed nothing"
        yield f"{row.name}/{heads}/{name}", np.ascontiguousarray(value)


def main():
    rows = {row.name: row for row in [*table(), *decoder_table()]}
    arrays = {}
    for fixture, pattern, heads in CASES:
        arrays |= dict(run(rows[fixture], pattern, heads))
        print(fixture, heads)
    write_safetensors(ROOT / "pruning-golden.safetensors", arrays, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
