#!/usr/bin/env python3
"""Writes testdata/torch: files of torch.save, and what they hold as safetensors.

Needs torch and safetensors. torch names a new serialization id on every run, so the bytes differ and the tensors do not.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).parents[1] / "testdata"


def views():
    """Every way in which a tensor may lie in its storage, and every element type."""
    base = torch.arange(7 * 11 * 3, dtype=torch.float32).reshape(7, 11, 3) / 8
    tensors = {
        "contiguous": base, "shared.slice": base[2:5], "shared.row": base[3, 4], "scalar": torch.tensor(2.5),
        "transposed": base[:, :, 1].t(), "permuted": base.permute(2, 0, 1), "permuted.back": base.permute(1, 2, 0),
        "columns": base[:, 2:9:3, :2], "every.other": base[::2, ::5], "expanded.rows": base[1, :1].expand(5, 3),
        "expanded.columns": base[:, 0, :1].expand(7, 6), "empty": torch.zeros(0, 4), "empty.transposed": torch.zeros(4, 0).t(),
        "diagonal": base[:, :7, 0].diagonal(), "one.row": torch.arange(8.)[::2].reshape(1, 4),
        "parameter": torch.nn.Parameter(torch.tensor([[1.5, -2.0]])),
    }
    values = torch.tensor([0, 1, 3, 7, 100])
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
                  torch.uint8, torch.bool):
        tensors[f"type.{str(dtype).removeprefix('torch.')}"] = values.to(dtype)
    return tensors


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "torch"
    out.mkdir(parents=True, exist_ok=True)
    tensors = views()
    torch.save(tensors, out / "views.bin")
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, out / "views.safetensors")
    torch.save(tensors, out / "protocol4.bin", pickle_protocol=4)

    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    torch.save({"epoch": 3, "loss": 0.5, "args": {"lr": [1e-3, None, True, (1, "a")], "big": 2**40, "negative": -3},
                "state_dict": {f"module.{name}": tensor for name, tensor in model.state_dict().items()}}, out / "nested.bin")
    torch.save(model.state_dict(), out / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(model, out / "module.bin")  # the whole object: names classes
    torch.save({"weight": torch._neg_view(torch.tensor([1., -2.]))}, out / "negative.bin")  # the sign is a bit of the tensor

    twin = load_file(ROOT / "fixtures/bert-text-classification-3/model.safetensors")
    torch.save(twin, out / "bert-text-classification-3.bin")
    tied = load_file(ROOT / "fixtures/bert-fill-mask/model.safetensors")
    tied["cls.predictions.decoder.weight"] = tied["bert.embeddings.word_embeddings.weight"]
    tied["cls.predictions.decoder.bias"] = tied["cls.predictions.bias"]
    torch.save(tied, out / "bert-fill-mask.bin")
    for path in sorted(out.iterdir()):
        print(f"{path.name:40} {path.stat().st_size:7} bytes")


if __name__ == "__main__":
    main()
