#!/usr/bin/env python3
"""Writes what the tests of text generation compare with.

testdata/tiny-llama/: a decoder of 0.1 M parameters with a byte-level BPE tokenizer and a chat template, trained here to know
a few sentences by heart (--train; the texts are this project's own).
testdata/generation-golden.json: for this model and, with --shared, for those of that folder, what greedy generation of
transformers gives for a few prompts: token ids and text. Those of --shared may not end before all tokens are there.

Needs torch, transformers 5 and tokenizers. Batch 1, float32, eager attention.
"""
import argparse
import json
import pathlib

import tokenizers
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = ROOT / "testdata/tiny-llama"

# What the model learns: one text per line. Chats are rendered with the template.
TEXTS = """
The lighthouse keeper counts the ships: one, two, three, four, five, six, seven, eight, nine, ten.
In the morning the baker opens his shop, sweeps the floor and sells the first bread to the night nurse.
Rain falls on the old harbour, and the gulls sit on the roofs with their heads under their wings.
A small model knows few words, but it can say them in a good order.
Winter comes early to the hills; the sheep walk down to the river and the dogs walk behind them.
""".strip().splitlines()
CHATS = [
    [("user", "Who opens the shop?"), ("assistant", "The baker opens his shop in the morning.")],
    [("user", "Where do the gulls sit?"), ("assistant", "The gulls sit on the roofs.")],
]
TEMPLATE = ("{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")
SPECIAL = ["<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>"]

# folder, prompts, new tokens
MODELS = {
    "tiny-llama": (["The lighthouse keeper", "In the morning the baker", "Rain falls on", "A small model knows few",
                    "Winter comes early to the hills; the sheep"], 60),
    "shared/models/pycode-qwen2": (["import heapq\n\n\ndef merge(", "class Graph:\n    def __init__(self",
                                    "def read_file(path):\n    \"\"\"Read a file.", "x = ["], 200),
    "shared/models/tinystories-656k": (["Tom had a red ball.", "One day a dog", "Lily went to the park with her mom. She"], 200),
}
CLOSE = 1e-4  # of the largest logit: a choice as close as this may fall otherwise in another order of additions


def as_chat(messages):
    return "".join(f"<|{role}|>{text}<|end|>" for role, text in messages)


def make_tokenizer():
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=384, special_tokens=SPECIAL, show_progress=False,
                                             initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TEXTS + [text for chat in CHATS for _, text in chat], trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>",
                                                chat_template=TEMPLATE, model_max_length=256)


def train():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, tie_word_embeddings=True, rms_norm_eps=1e-5,
        bos_token_id=None, eos_token_id=0, pad_token_id=1)
    model = transformers.LlamaForCausalLM(config)
    lines = [text + "<|end|>" for text in TEXTS] + [as_chat(chat) for chat in CHATS]
    batch = tokenizer(lines, return_tensors="pt", padding=True, padding_side="right")
    # The end itself is learnt, the padding behind it is not.
    labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    for step in range(600):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, step / 30) * (1 - step / 600)
        # Noise on the embeddings, so that what is learnt survives rounding.
        embedded = model.get_input_embeddings()(batch.input_ids)
        embedded = embedded + 0.1 * embedded.std() * torch.randn_like(embedded)
        loss = model(inputs_embeds=embedded, attention_mask=batch.attention_mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)
    model.to(torch.bfloat16).save_pretrained(TINY)
    tokenizer.save_pretrained(TINY)
    # As older checkpoints have it: the template inside tokenizer_config.json alone.
    settings = json.loads((TINY / "tokenizer_config.json").read_text())
    settings["chat_template"] = TEMPLATE
    (TINY / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (TINY / "chat_template.jinja").unlink(missing_ok=True)


def generate(model, tokenizer, ids, count, full=False):
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, num_beams=1,
                         return_dict_in_generate=True, output_scores=True, **(dict(min_new_tokens=count) if full else {}))
    steps = torch.stack([step.clamp(min=-1e4) for step in out.scores], 1)  # the end, where it is forbidden, is minus infinity
    top = steps.topk(2, dim=-1).values
    margin = ((top[..., 0] - top[..., 1]).min() / top.abs().max()).item()
    tokens = out.sequences[0, ids.shape[1]:].tolist()
    return tokens, tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False), margin


def goldens(source, folder):
    prompts, count = MODELS[source]
    # tokenizer.json as it is, which is what browsers read: AutoTokenizer builds some classes' anew, with another regex.
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    cases = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        tokens, text, margin = generate(model, tokenizer, ids, count, source.startswith("shared/"))
        print(f"{source}: {prompt!r} -> {text[:70]!r}, {len(tokens)} tokens, margin {margin:.1e}", flush=True)
        assert margin > CLOSE, "a close choice: take another prompt"
        cases.append({"prompt": prompt, "input_ids": ids[0].tolist(), "tokens": tokens, "text": text})
    result = {"source": source, "new_tokens": count, "cases": cases, "chats": []}
    for chat in CHATS if source == "tiny-llama" else []:
        messages = [{"role": role, "content": text} for role, text in chat[:-1]]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True).input_ids
        tokens, text, margin = generate(model, tokenizer, ids, count)
        assert margin > CLOSE
        print(f"{source}: {messages} -> {text!r}", flush=True)
        result["chats"].append({"messages": messages, "input_ids": ids[0].tolist(), "tokens": tokens, "text": text})
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true", help="make testdata/tiny-llama anew")
    parser.add_argument("--shared", type=pathlib.Path, help="the folder with models/")
    arguments = parser.parse_args()
    if arguments.train:
        train()
    models = []
    for source in MODELS:
        if not source.startswith("shared/"):
            models.append(goldens(source, ROOT / "testdata" / source))
        elif arguments.shared:
            models.append(goldens(source, arguments.shared / source.removeprefix("shared/")))
    out = ROOT / "testdata/generation-golden.json"
    out.write_text(json.dumps({"models": models}, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
