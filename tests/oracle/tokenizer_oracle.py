"""Are our encodings those of the Python package `tokenizers`, id by id?

Compares the tool bantam_tokenize with the Python package (pip install tokenizers==0.23.3 numpy; 0.23.2, the last that
is published as a crate, loses overflowing tokens, which our bridge does not) on data sets, on adversarial Unicode and
on tokenizers of every kind that are trained here. Ids, type ids, offsets (in bytes), word ids, special mask, sequence
ids, truncation with overflow, pairs, words and decoding must be equal.

  cmake --build build/release --target bantam_tokenize
  python tests/oracle/tokenizer_oracle.py --tool build/release/tests/bantam_tokenize [--shared ../shared]
"""
import argparse
import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import (AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers,
                        Regex, __version__)

STRATEGIES = {1: "longest_first", 2: "only_first", 3: "only_second"}


# ---- tokenizers of every kind

def trained(model, trainer, texts, **parts):
    tokenizer = Tokenizer(model)
    for name, part in parts.items():
        if name != "post_processor":
            setattr(tokenizer, name, part)
    tokenizer.train_from_iterator(texts, trainer)
    if "post_processor" in parts:
        tokenizer.post_processor = parts["post_processor"](tokenizer)
    return tokenizer


def template(single, pair, *names):
    return lambda t: processors.TemplateProcessing(single=single, pair=pair,
                                                   special_tokens=[(n, t.token_to_id(n)) for n in names])


def make_tokenizers(texts):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    quiet = dict(show_progress=False)
    bert = template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", "[CLS]", "[SEP]")
    yield "wordpiece-uncased", trained(
        models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=600, special_tokens=special, **quiet),
        texts, normalizer=normalizers.BertNormalizer(lowercase=True), pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        post_processor=bert, decoder=decoders.WordPiece())
    yield "wordpiece-cased-short-words", trained(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=9),
        trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, **quiet), texts,
        normalizer=normalizers.BertNormalizer(lowercase=False, strip_accents=True, handle_chinese_chars=False),
        pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        post_processor=lambda t: processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")),
                                                           ("[CLS]", t.token_to_id("[CLS]"))))
    angle = ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]
    yield "roberta", trained(
        models.BPE(), trainers.BpeTrainer(vocab_size=700, special_tokens=angle,
                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **quiet),
        texts, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False), decoder=decoders.ByteLevel(),
        post_processor=lambda t: processors.RobertaProcessing(("</s>", t.token_to_id("</s>")),
                                                              ("<s>", t.token_to_id("<s>")), trim_offsets=True,
                                                              add_prefix_space=False))
    gpt4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    yield "llama3-like", trained(
        models.BPE(), trainers.BpeTrainer(vocab_size=700, special_tokens=["<|begin|>", "<|end|>"],
                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **quiet),
        texts, normalizer=normalizers.NFC(), decoder=decoders.ByteLevel(),
        pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(gpt4), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
        post_processor=lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=False),
                                                      template("<|begin|> $A", "<|begin|> $A <|begin|>:1 $B:1",
                                                               "<|begin|>")(t)]))
    yield "unigram-metaspace", trained(
        models.Unigram(), trainers.UnigramTrainer(vocab_size=500, special_tokens=angle, unk_token="<unk>", **quiet),
        texts, normalizer=normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                                normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(),
        post_processor=template("$A </s>", "$A </s> $B </s>", "</s>"))
    yield "sentencepiece-bpe-fallback", trained(
        models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True),
        trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>", "<s>", "</s>"] +
                            [f"<0x{i:02X}>" for i in range(256)], **quiet),
        texts, normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)]),
        post_processor=template("<s> $A", "<s> $A <s>:1 $B:1", "<s>"))
    yield "wordlevel-no-template", trained(
        models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(vocab_size=400, special_tokens=["[UNK]"], **quiet),
        texts, normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
        pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True),
                                               pre_tokenizers.Punctuation()]))
    added = trained(models.WordPiece(unk_token="[UNK]"),
                    trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, **quiet), texts,
                    normalizer=normalizers.BertNormalizer(), pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
                    post_processor=bert)
    added.add_tokens([AddedToken("new word", single_word=True), AddedToken("Été", normalized=True),
                      AddedToken("<x>", lstrip=True, rstrip=True, normalized=False)])
    yield "added-tokens", added


def sentencepiece_unigram(texts, folder):
    """A T5-like tokenizer with SentencePiece's compiled character map, where sentencepiece is installed."""
    try:
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2 as pb
    except Exception as e:  # noqa: BLE001
        print(f"left out: compiled character map ({e})")
        return None
    prefix = os.path.join(folder, "sp")
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(texts), model_prefix=prefix, vocab_size=400,
                                             minloglevel=2, hard_vocab_limit=False)
    proto = pb.ModelProto()
    proto.ParseFromString(open(prefix + ".model", "rb").read())
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=0))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


# ---- texts

HANDMADE = [
    "", " ", "   ", "\t\n\r\n", "a", "Hello, world!", " leading and trailing  ", "tabs\tand\u00a0no-break\u3000spaces",
    "na\u00efve caf\u00e9 na\u0069\u0308ve cafe\u0301", "\u1e9b\u0323 \ufb01 \u2126 \uff21\uff22", "I\u0307stanbul \u0130 \u0131 \u1e9e \u03a3\u03c2",
    "\u4f60\u597d\u4e16\u754c mixed\u4e2dtext", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "\u0627\u0644\u0639\u0631\u0628\u064a\u0651\u0629 \u202erlo\u202c",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea \u2764\ufe0f \U0001f44d\U0001f3fd", "\u0000nul\u0001\u001f\u007f\u0085",
    "\ufeffbom", "zero\u200bwidth\u200c\u200d\u2060", "\ufffd\uffff\U0010ffff\U000e0001", "Z\u0351\u036b\u0343a\u0313l\u0353g\u0330o\u0329",
    "[CLS] inside [SEP] and [MASK] and <s></s> <mask> <|begin|>", "[ CLS ]", "<0x41><0xFF>", "\u2581under\u2581bar",
    "a" * 300, "\u00e9" * 120, "x " * 500, "don't can't I'LL they've", "12345678901234567890 3.14 1,000", "C++ #hash @at $5 %",
    "new word newword new words \u00c9t\u00e9 ete\u0301 <x> a<x>b  <x>  ", "\r", "\n\n\n", "\u2028\u2029", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
    "\u0939\u093f\u0928\u094d\u0926\u0940", "\u1100" * 20, "\U0001d54f\U0001d7d9", "\u00ad soft\u00adhyphen", "\u0149 \u01c4 \ufdfa",
]


def random_texts(count, seed):
    rng = random.Random(seed)
    blocks = [(0x20, 0x7e), (0x20, 0x7e), (0x80, 0x24f), (0x300, 0x36f), (0x370, 0x5ff), (0x600, 0x6ff), (0x900, 0xdff),
              (0x1100, 0x11ff), (0x1e00, 0x22ff), (0x2600, 0x27bf), (0x2e80, 0x33ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3),
              (0xf900, 0xffff), (0x1f000, 0x1faff), (0x0, 0x1f), (0x0, 0x10ffff)]
    glue = [" ", " ", " ", "  ", "\n", "\t", "\u00a0", "\u200d", "[MASK]", "<s>", "'s", "##", "\u2581", ""]
    for _ in range(count):
        pieces = []
        for _ in range(rng.randrange(0, 12)):
            low, high = rng.choice(blocks)
            for _ in range(rng.randrange(1, 9)):
                point = rng.randint(low, high)
                if not 0xd800 <= point <= 0xdfff:
                    pieces.append(chr(point))
            pieces.append(rng.choice(glue))
        text = "".join(pieces)
        if rng.random() < 0.2:
            text = unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC", "NFKD"]), text)
        yield text


def dataset_texts(shared, limit):
    files = ["sst2/*.tsv", "stsb/*.csv", "trec6/TREC.t*", "wnut17/emerging*", "wikitext2/*.txt", "tinystories-val/*.txt",
             "pycode-text/eval.txt", "squad-xquad-en/xquad.en.json"]
    for pattern in files:
        found = sorted(glob.glob(os.path.join(shared, "data", pattern)))
        if not found:
            print(f"left out: {pattern} is not under {shared}/data")
        for path in found:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line.rstrip("\n")[:4000] for line in file]
            yield from lines[:limit]


# ---- comparison

def byte_offsets(text, offsets):
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode("utf-8")))
    # The crate places a few added tokens beyond the end of their text; ours end with it.
    return [[at[min(b, len(text))], at[min(e, len(text))]] for b, e in offsets]


def as_answer(encoding, has_template, texts, words=None):
    offsets = []
    # Without a post-processor, the package forgets which sequence the tokens of overflowing spans are from.
    sequence_ids = encoding.sequence_ids if has_template else encoding.type_ids
    for word, sequence, (begin, end) in zip(encoding.word_ids, sequence_ids, encoding.offsets):
        if sequence is None:
            offsets.append([begin, end])
            continue
        text = words[word] if words is not None else texts[sequence]
        offsets += byte_offsets(text, [(begin, end)])
    minus = lambda values: [-1 if v is None else v for v in values]  # noqa: E731
    return {"ids": encoding.ids, "type_ids": encoding.type_ids, "offsets": offsets,
            "word_ids": minus(encoding.word_ids), "special": encoding.special_tokens_mask,
            "sequence_ids": minus(sequence_ids), "mask": encoding.attention_mask}


def expected(tokenizer, request):
    if "decode" in request:
        # Special tokens are left out by their ids, as transformers.js does: the crate looks for their content, and misses
        # those that are normalized.
        special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        skip = request["skip_special_tokens"]
        kept = [i for i in request["decode"] if not (skip and i in special)]
        return tokenizer.decode(kept, skip_special_tokens=skip)
    tokenizer.no_truncation()
    if request.get("truncation"):
        tokenizer.enable_truncation(request["max_length"], stride=request["stride"],
                                    strategy=STRATEGIES[request["truncation"]],
                                    direction="left" if request["left"] else "right")
    special = request.get("add_special_tokens", True)
    has_template = tokenizer.post_processor is not None
    if "words" in request:
        encoding = tokenizer.encode(request["words"], is_pretokenized=True, add_special_tokens=special)
        return [as_answer(encoding, has_template, None, request["words"])]
    encoding = tokenizer.encode(request["text"], request.get("pair"), add_special_tokens=special)
    texts = [request["text"], request.get("pair")]
    return [as_answer(e, has_template, texts) for e in [encoding, *encoding.overflowing]]


def requests_for(texts, tokenizer, seed):
    rng = random.Random(seed)
    for i, text in enumerate(texts):
        yield {"text": text, "add_special_tokens": i % 5 != 0}
        if i % 3 == 0:
            yield {"text": text, "pair": rng.choice(texts)}
        if i % 7 == 0:
            yield {"words": text.split() or ["x"]}
        if i % 4 == 0:
            pair = {"pair": rng.choice(texts)} if rng.random() < 0.6 else {}
            yield {"text": text, **pair, "truncation": rng.choice([1, 1, 2, 3]), "max_length": rng.randrange(5, 40),
                   "stride": rng.choice([0, 0, 1, 2, 5]), "left": rng.random() < 0.3}
        if i % 6 == 0:
            ids = tokenizer.encode(text).ids
            rng.random() < 0.3 and rng.shuffle(ids)
            yield {"decode": ids, "skip_special_tokens": rng.random() < 0.5}


def difference(want, got):
    if not (isinstance(want, list) and isinstance(got, list) and len(want) == len(got)):
        return f"  want {json.dumps(want)[:300]}\n  got  {json.dumps(got)[:300]}"
    return "\n".join(f"  {key}: want {w[key][:24]} got {g[key][:24]}"
                     for w, g in zip(want, got) for key in w if w[key] != g[key])


def compare(name, path, tool, texts, seed):
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_padding()
    requests = list(requests_for(texts, tokenizer, seed))
    feed = "".join(json.dumps(r) + "\n" for r in requests)
    run = subprocess.run([tool, path], input=feed.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in run.stdout.split(b"\n") if line]
    assert len(answers) == len(requests), f"{name}: {len(answers)} answers to {len(requests)} requests"
    wrong = failed = 0
    for request, got in zip(requests, answers):
        try:
            want = expected(tokenizer, request)
        except BaseException as e:  # noqa: BLE001 (a panic of the crate is no Exception)
            failed += 1
            if not (isinstance(got, dict) and got.get("error")):
                wrong += 1
                print(f"{name}: Python fails ({e}), ours answers {json.dumps(request)[:300]}")
            continue
        if want != got:
            wrong += 1
            if wrong <= 3:
                print(f"{name}: differs on {json.dumps(request)[:300]}\n{difference(want, got)}")
    print(f"{name}: {len(requests) - wrong} of {len(requests)} requests equal, {failed} of them refused")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--shared", default=os.environ.get("BANTAM_SHARED", "../shared"))
    parser.add_argument("--random", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=1500, help="lines of each data set")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"Python tokenizers {__version__}")
    data = list(dataset_texts(args.shared, args.lines))
    texts = HANDMADE + list(random_texts(args.random, args.seed)) + data
    corpus = [t for t in data if t.strip()][:4000] or HANDMADE * 20
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        named = list(make_tokenizers(corpus))
        unigram = sentencepiece_unigram(corpus, folder)
        if unigram:
            named.append(("sentencepiece-unigram", unigram))
        for name, tokenizer in named:
            path = os.path.join(folder, name + ".json")
            tokenizer.save(path)
            wrong += compare(name, path, args.tool, texts, args.seed)
    paths = sorted(glob.glob(os.path.join(args.shared, "models", "*", "tokenizer.json")))
    if not paths:
        print(f"left out: tokenizers of trained models, none under {args.shared}/models")
    for path in paths:
        wrong += compare(os.path.basename(os.path.dirname(path)), path, args.tool, texts, args.seed)
    print("all equal" if wrong == 0 else f"{wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
