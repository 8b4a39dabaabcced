"""Writes testdata/tokenizers: small tokenizers of several kinds and what the Python package answers to them.

  python tests/oracle/make_tokenizer_cases.py testdata/tokenizers     (pip install tokenizers==0.23.3 numpy)
"""
import json
import os
import sys

from tokenizers import Tokenizer

from tokenizer_oracle import HANDMADE, expected, make_tokenizers

KINDS = ["wordpiece-uncased", "roberta", "llama3-like", "unigram-metaspace", "sentencepiece-bpe-fallback", "added-tokens"]
CORPUS = [text for text in HANDMADE if len(text) < 100] + """
The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs, said the old wizard.
A film of rare warmth: funny, touching and never dull. A dull, lifeless mess; two hours I will never get back.
How vexingly quick daft zebras jump! Sphinx of black quartz, judge my vow. Where is the nearest train station?
def read(path): return open(path).read()   # 100 lines, 3.14 per cent
""".strip().split("\n") * 3
LONG = "One two three four five naïve café 你好 👩‍👧 to the end."


def requests():
    for text in HANDMADE:
        if len(text) < 60:
            yield {"text": text}
    yield {"text": "without the template", "add_special_tokens": False}
    yield {"text": "a question?", "pair": "and its context, which is longer"}
    yield {"text": "", "pair": ""}
    for strategy, length, stride, left in [(1, 12, 0, False), (1, 11, 2, False), (1, 9, 1, True), (3, 14, 3, False)]:
        yield {"text": "who was it?", "pair": LONG, "truncation": strategy, "max_length": length, "stride": stride, "left": left}
    yield {"text": LONG, "truncation": 1, "max_length": 8, "stride": 2, "left": False}
    yield {"text": LONG, "truncation": 2, "max_length": 8, "stride": 0, "left": True}
    yield {"words": ["Hello", "wörld", "playing,", "naïve", "👍🏽"]}


def answer(tokenizer, request):
    try:
        result = expected(tokenizer, request)
        for span in result if isinstance(result, list) else []:
            del span["mask"]  # all ones: nothing is padded
        return result
    except BaseException as e:  # noqa: BLE001 (a panic of the crate is no Exception)
        return {"error": type(e).__name__}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    made = {name: tokenizer for name, tokenizer in make_tokenizers(CORPUS) if name in KINDS}
    for name, tokenizer in made.items():
        path = os.path.join(folder, name + ".json")
        tokenizer.save(path, pretty=False)
        tokenizer = Tokenizer.from_file(path)
        cases = [{"request": request, "answer": answer(tokenizer, request)} for request in requests()]
        ids = tokenizer.encode(LONG).ids
        for skip in (True, False):
            request = {"decode": ids, "skip_special_tokens": skip}
            cases.append({"request": request, "answer": expected(tokenizer, request)})
        with open(os.path.join(folder, name + ".cases.json"), "w", encoding="utf-8") as file:
            file.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
