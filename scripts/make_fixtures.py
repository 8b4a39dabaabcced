#!/usr/bin/env python3
"""Writes testdata/fixtures: tiny random checkpoints and what PyTorch computes from them.

Needs torch and transformers 5. A second run on the same machine writes the same bytes.
Every golden comes from the files as they lie on disk, read back by transformers.
"""
import argparse
import copy
import json
import pathlib
import shutil
import struct
import zlib

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

import decoder_fixtures
from fixture_table import FAMILIES, TASKS, table, write_json

LABELS = {1: ["SCORE"], 2: ["NEGATIVE", "POSITIVE"], 3: ["contradiction", "neutral", "entailment"]}


def randomize(model):
    """Leaves nothing at 0 or 1, and weights large enough that attention is far from uniform."""
    gain = 0.8 if getattr(model.config, "normalization_type", "") == "no_norm" else 1.4  # no norms: keep it bounded
    for name, parameter in model.named_parameters():  # a tied pair comes once
        owner = model.get_submodule(name.rpartition(".")[0])
        noise = torch.randn(parameter.shape)
        if isinstance(owner, torch.nn.Embedding):
            value = 0.8 * noise
        elif parameter.dim() == 2:
            value = gain * noise / parameter.shape[1] ** 0.5
        else:
            value = 0.3 * noise + (1.0 if name.endswith("weight") else 0.0)
        parameter.data.copy_(value)


def write_checkpoint(fixture, directory):
    config = fixture.make_config()
    if fixture.task in ("text-classification", "token-classification"):
        config.id2label = dict(enumerate(LABELS[config.num_labels]))
        config.label2id = {label: i for i, label in config.id2label.items()}
    model = fixture.cls(fixture.saved_as)(config, **fixture.model)
    randomize(model)
    model.to(getattr(torch, fixture.dtype)).save_pretrained(directory, max_shard_size=fixture.shard_bytes)
    if fixture.edits:
        weights, settings = directory / "model.safetensors", directory / "config.json"
        tensors, config = load_file(weights), json.loads(settings.read_text())
        for edit in fixture.edits:
            edit(tensors, config)
        save_file(tensors, weights, metadata={"format": "pt"})
        write_json(settings, config)
    for write in fixture.files:
        write(directory)


def make_inputs(fixture, config):
    """Right padding, none, left padding, and one long batch whose mask has holes (some of them pad tokens)."""
    pad = config.pad_token_id if config.pad_token_id is not None else 0
    for kind, batch, length in ("right", 3, 7), ("none", 1, 5), ("left", 2, 8), ("holes", 2, fixture.longest):
        ids = torch.randint(config.vocab_size - 1, (batch, length))
        ids += ids >= pad  # every token but the pad
        column, row = torch.arange(length), torch.arange(batch).unsqueeze(1)
        mask = {"right": column < length - 2 * row, "none": column >= 0 * row, "left": column >= 3 * (1 - row),
                "holes": (torch.rand(batch, length) > 0.25) | (column == 0)}[kind]
        real = mask | (torch.rand(batch, length) > 0.5) if kind == "holes" else mask
        inputs = {"input_ids": torch.where(real, ids, pad), "attention_mask": mask.long()}
        if FAMILIES[fixture.family][1]:
            inputs["token_type_ids"] = torch.randint(config.type_vocab_size, (batch, length))
        yield inputs


def write_safetensors(path, arrays, metadata):
    """With the header in a fixed order; the safetensors package writes metadata in a random one."""
    header, offset = {"__metadata__": metadata}, 0
    for name, array in arrays.items():
        dtype = {"int64": "I64", "float32": "F32"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in arrays.values()))


def provenance(fixture, model):
    return {"fixture": fixture.name, "class": type(model).__name__,
            "torch": torch.__version__, "transformers": transformers.__version__}


def write_golden(fixture, directory):
    model, report = fixture.cls().from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, **fixture.model)
    missing = [name for name in report["missing_keys"] if "pooler" not in name]
    assert not missing and not report["mismatched_keys"], (fixture.name, report)
    model.eval()
    if fixture.task == "text-generation":
        arrays, metadata = decoder_fixtures.arrays_of(model)
        return write_safetensors(directory / "golden.safetensors", arrays, provenance(fixture, model) | metadata)
    exact = copy.deepcopy(model).double()
    arrays = {}
    metadata = provenance(fixture, model)
    for i, inputs in enumerate(make_inputs(fixture, model.config)):
        arrays |= {f"case{i}.input.{name}": value.numpy() for name, value in inputs.items()}
        with torch.no_grad():
            single, double = model(**inputs), exact(**inputs)
        for name in TASKS[fixture.task][1]:
            arrays[f"case{i}.output.{name}"] = np.ascontiguousarray(single[name].numpy())
            distance = (single[name].double() - double[name]).abs().max().item()
            metadata[f"case{i}.fp64_distance.{name}"] = f"{distance:.6e}"
    write_safetensors(directory / "golden.safetensors", arrays, metadata)


def make(fixture, out):
    directory = out / fixture.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    torch.manual_seed(zlib.crc32(fixture.name.encode()))
    write_checkpoint(fixture, directory)
    write_golden(fixture, directory)
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    print(f"{fixture.name:55} {len(sizes):2} files {sum(sizes):7} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="make this fixture alone (repeatable)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parents[1] / "testdata/fixtures")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    arguments = parser.parse_args()
    rows = [*table(), *decoder_fixtures.table()]
    named = {row.name: row for row in rows}
    assert len(named) == len(rows), "two fixtures of one name"
    unknown = set(arguments.only or []) - set(named)
    if unknown:
        parser.error(f"no fixture named {', '.join(sorted(unknown))}; see --list")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in arguments.only or named:
        print(name) if arguments.list else make(named[name], arguments.out)


if __name__ == "__main__":
    main()
