"""Writes testdata/greedy-golden.json: what PyTorch's greedy search in float32 writes, token by token.

  python tests/oracle/make_greedy_goldens.py SHARED        (torch, transformers; SHARED holds models/pycode-qwen2, ...)

Tokens are those of tokenizer.json, as browsers read it (AutoTokenizer of transformers 5 puts pre-tokenizers of its own over
it for some families).

"prompt" is the text (null for fixtures, which have no tokenizer), "ids" the tokens of the prompt, "generated" those that
generate(do_sample=False) adds, "text" what they add to the decoded prompt, special tokens left out, and "margin" the
smallest difference between the best and the second best logit: below it another order of sums may choose another token, so
prompts with a small one are refused here.
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENS = 200
LEAST_MARGIN = 1e-4
PROMPTS = {
    "pycode-qwen2": ["def read_file(path):\n", "import os\nimport sys\n\n\ndef main():\n", "class Stack:\n    def __init__(self):\n",
                     "# größte Zahl, 数字\ndef largest(numbers):\n", "x"],
    "tinystories-656k": ["Once upon a time", "Tom and Lily were in the garden. They", "", "The dog said: \"I am"],
}
FIXTURE_PROMPTS = [[1, 5, 9, 33, 12], [1], [7, 7, 7, 40, 3, 22, 61, 15, 4]]
FIXTURE_TOKENS = 40


def greedy(model, ids, tokens):
    inputs = torch.tensor([ids])
    out = model.generate(inputs, attention_mask=torch.ones_like(inputs), do_sample=False, max_new_tokens=tokens,
                         return_dict_in_generate=True, output_logits=True, pad_token_id=0)
    best = [torch.topk(logits[0].float(), 2).values for logits in out.logits]
    return out.sequences[0, len(ids):].tolist(), min(float(pair[0] - pair[1]) for pair in best)


def entry(model, source, ids, tokens, prompt=None, tokenizer=None):
    generated, margin = greedy(model, ids, tokens)
    if margin < LEAST_MARGIN:
        print(f"left out, margin {margin:.2g}: {source} {prompt!r} {ids if prompt is None else ''}")
        return []
    text = None
    if tokenizer is not None:
        special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        before, after = (tokenizer.decode([i for i in tokens if i not in special], skip_special_tokens=False)
                         for tokens in (ids, ids + generated))
        assert after.startswith(before)
        text = after[len(before):]
    return [{"source": source, "prompt": prompt, "ids": ids, "generated": generated, "text": text,
             "margin": float(f"{margin:.3g}")}]


def main(shared):
    entries = []
    torch.set_num_threads(1)
    for name, prompts in PROMPTS.items():
        path = pathlib.Path(shared) / "models" / name
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        for prompt in prompts:
            ids = tokenizer.encode(prompt).ids
            entries += entry(model, f"shared/models/{name}", ids, TOKENS, prompt, tokenizer)
    for path in sorted((ROOT / "testdata/fixtures").glob("*-text-generation*")):
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        for ids in FIXTURE_PROMPTS:
            room = min(FIXTURE_TOKENS, model.config.max_position_embeddings - len(ids))
            entries += entry(model, f"fixtures/{path.name}", ids, room)
    lines = ",\n".join(json.dumps(e, ensure_ascii=False) for e in entries)
    (ROOT / "testdata/greedy-golden.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(len(entries), "cases")


if __name__ == "__main__":
    main(*sys.argv[1:])
