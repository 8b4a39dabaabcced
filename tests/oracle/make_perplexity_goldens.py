"""Writes testdata/perplexity-golden.json: perplexity of the shared decoders by PyTorch in float32, over windows of a text
that move by a stride and score every token once (the guide of transformers on perplexity of fixed-length models).

  python tests/oracle/make_perplexity_goldens.py SHARED        (torch, transformers, tokenizers)
"""
import json
import math
import pathlib
import sys

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = [("pycode-qwen2", "pycode-text/eval.txt", 512, 512, 12), ("pycode-qwen2", "pycode-text/eval.txt", 256, 96, 12),
         ("tinystories-656k", "tinystories-val/tinystories_val.txt", 256, 256, 40), ("tinystories-656k", "tinystories-val/tinystories_val.txt", 128, 32, 40)]


def perplexity(model, ids, context, stride, limit):
    total, count, scored = 0.0, 0, 1
    for window, begin in enumerate(range(0, len(ids), stride)):
        if window == limit or scored >= len(ids):
            break
        end = min(begin + context, len(ids))
        with torch.no_grad():
            logits = model(torch.tensor([ids[begin:end]])).logits[0].double()
        first = max(scored, begin + 1)
        losses = torch.nn.functional.cross_entropy(logits[first - begin - 1:end - begin - 1], torch.tensor(ids[first:end]), reduction="sum")
        total, count, scored = total + float(losses), count + end - first, end
    return math.exp(total / count), count


def main(shared):
    cases = []
    for name, data, context, stride, limit in CASES:
        path = pathlib.Path(shared) / "models" / name
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        text = (pathlib.Path(shared) / "data" / data).read_text(encoding="utf-8")
        ids = Tokenizer.from_file(str(path / "tokenizer.json")).encode(text.removesuffix("\n") + "\n").ids
        value, tokens = perplexity(model, ids, context, stride, limit)
        cases.append({"source": f"shared/models/{name}", "data": f"shared/data/{data}", "max_length": context, "stride": stride,
                      "limit": limit, "perplexity": float(f"{value:.8g}"), "tokens": tokens})
        print(cases[-1])
    lines = ",\n".join(json.dumps(case) for case in cases)
    (ROOT / "testdata/perplexity-golden.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
