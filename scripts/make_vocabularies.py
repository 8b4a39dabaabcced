#!/usr/bin/env python3
"""Writes testdata/vocabularies: tokenizer files without a tokenizer.json, and what transformers makes of them.

Needs transformers 4.57 (version 5 has no slow tokenizers any more), sentencepiece and protobuf:
    python3 -m venv /tmp/t && /tmp/t/bin/pip install transformers==4.57.6 sentencepiece==0.2.3 protobuf
A second run writes the same bytes. Words and texts are made up here.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import tempfile
import unicodedata

os.environ["HF_HUB_OFFLINE"] = "1"

import sentencepiece
import transformers
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = """the a movie film was not great bad good plot it is in of and to open run running runs un read able act ed
cafe naive resume zurich strasse istanbul word words long er est ing s 9 10 2024 don t isn hello world tokyo""".split()
ACCENTED = "café naïve résumé Zürich straße İstanbul fi ﬁ É é".split()
LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789ABCDEFT") + list("éèüñßжд")
MARKS = list("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~…–£¿。、") + list("中文東京テスト") + ["😀", "한", "국"]

TEXTS = [
    "The movie was great!",
    "Unreadable PLOT, not a good film.",
    "",
    " ",
    "   leading",
    "trailing   ",
    "a  b   c",
    "tab\tnew\nline\r\nend\u00a0nbsp\u3000wide\u2028sep\u200bzero\ufeffbom",
    "bell\x07 nul\x00 del\x7f c1\x85 \ufffd",
    "café Cafe\u0301 CAFÉ naïve ﬁlm Zürich STRASSE straße ẞ",
    "İstanbul ıstanbul I\u0307 ΑΣ ας",
    "中文 and東京，テスト。한국",
    "😀 👩‍👩‍👧 ☃ \U0001f1e9\U0001f1ea",
    "it's un-acted... don't--isn't `` '' \"quoted\"",
    "$1,025.50 9,010 10% #tag @me a_b",
    "x" * 100,
    "x" * 101,
    "a" + "b" * 99 + " word",
    "##ing ## #",
    "[MASK] [mask] [ MASK ] a[MASK]b [MASK].",
    "[CLS] a [SEP] b [PAD] [UNK]",
    "<mask> a <mask>b <mask>.",
    "<s> a </s> <pad> <unk> <S>",
    "new <new> Bar bar Bars [E1][E2] [e1] <q>x",
    "naïve" * 30,
    "Ⅳ ² ½ K Å \u1e9b\u0323",
    "नमस्ते สวัสดี שָׁלוֹם",
    "\u0301start \u0301",
    "HELLO World 2024",
    "running runs un able",
    "e\u0301\u0302\u0303 a\u0308\u0301",
    "１２３ ＡＢＣ",
    "line one\n\nline two\t\tcell",
    "end\n",
]
PAIRS = [("The plot", "was it good?"), ("", "a"), ("[MASK] the", "the <mask>"), ("caf\u00e9", "CAFÉ")]
POOL = "aAbeéTt .,'-\t中😀\u0301[]<>9#" + "abcdefgh "


def texts():
    generator = random.Random(7)
    noise = ["".join(generator.choice(POOL) for _ in range(generator.randint(1, 24))) for _ in range(60)]
    return [(text, None) for text in TEXTS + noise] + PAIRS


def words(special, extra=()):
    lower = list(dict.fromkeys(special + LETTERS + MARKS + WORDS + ACCENTED + list(extra)))
    return lower + [
        "##" + piece for piece in LETTERS + ["ing", "s", "able", "ed", "er", "e\u0301", "\u0301", "movie", "文", "9"]
    ]


BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MPNET = ["<s>", "<pad>", "</s>", "<mask>", "[UNK]"]


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False} | flags


def wordpiece(model_type, special=None, lines=None, raw=None, **files):
    def write(folder):
        folder.joinpath("vocab.txt").write_bytes(raw or ("\n".join(lines or words(special or BERT)) + "\n").encode())
        finish(folder, {"model_type": model_type}, files)

    return write, False


def finish(folder, config, files):
    for name, content in ({"config": config} | files).items():
        if content is not None:
            folder.joinpath(name + ".json").write_text(
                json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
            )


def roberta(**files):
    def write(folder):
        trained = ByteLevelBPETokenizer()
        corpus = (
            [" ".join(WORDS + ACCENTED)] * 5
            + [text for text in TEXTS if "\x00" not in text]
            + ["the movie was great, it is not bad"] * 5
        )
        trained.train_from_iterator(
            corpus,
            vocab_size=330,
            min_frequency=2,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            show_progress=False,
        )
        trained.save_model(str(folder))
        finish(folder, {"model_type": "roberta"}, files)

    return write, False


RULES = {
    "\t": " ",
    "\n": " ",
    "\r": " ",
    "\u00a0": " ",
    "\u3000": " ",
    "ﬁ": "fi",
    "１": "1",
    "２": "2",
    "３": "3",
    "Ａ": "A",
    "½": "1/2",
    "\u200b": "",
    "\ufeff": "",
    "\u2028": " ",
}


def unigram(name, config, train, slow, **files):
    """For ALBERT the slow tokenizer of transformers, which runs sentencepiece itself, is the oracle: the fast one that it
    converts to cuts three of four texts otherwise, at user-defined pieces and at spaces."""

    def write(folder):
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(
            scratch
        ):  # the model holds the names of its files
            scratch = pathlib.Path()
            corpus = [
                " ".join(WORDS + ACCENTED),
                *[t for t in TEXTS if "\x00" not in t and "\n" not in t and "\r" not in t and t.strip()],
                "the movie was great, it is not bad, 9, 10, 2024,",
                "中文 東京 テスト hello world",
            ] * 4
            (scratch / "corpus.txt").write_text("\n".join(corpus), encoding="utf-8")
            rules = ["\t".join(" ".join(f"{ord(c):X}" for c in side) for side in pair) for pair in RULES.items()]
            (scratch / "rules.tsv").write_text("\n".join(rules) + "\n")
            sentencepiece.SentencePieceTrainer.train(
                input="corpus.txt",
                model_prefix="m",
                model_type="unigram",
                vocab_size=260,
                normalization_rule_tsv="rules.tsv",
                num_threads=1,
                minloglevel=2,
                hard_vocab_limit=False,
                **train,
            )
            shutil.copy("m.model", folder / name)
        finish(folder, config, files)

    return write, slow


XLMR = dict(character_coverage=0.999)
ALBERT = dict(
    character_coverage=0.999,
    pad_id=0,
    unk_id=1,
    bos_id=-1,
    eos_id=-1,
    control_symbols=["[CLS]", "[SEP]", "[MASK]"],
    user_defined_symbols=["(", ")", '"', "-", ".", "–", "£", "€"],
)
ODD = (
    "\r\n".join(
        BERT[:4] + LETTERS + ["", "the", "movie ", "n\x85el", "u\u2028sep", "", "plot\t", "the", "a", "##b", "中"]
    ).encode()
    + b"\rlone\nlast"
)

CASES = {
    "bert-uncased": wordpiece("bert", tokenizer_config={"tokenizer_class": "BertTokenizer", "do_lower_case": True}),
    "bert-alone": wordpiece("bert"),
    "bert-cased": wordpiece(
        "bert",
        tokenizer_config={
            "tokenizer_class": "BertTokenizerFast",
            "do_lower_case": False,
            "strip_accents": True,
            "tokenize_chinese_chars": False,
        },
    ),
    "bert-other-tokens": wordpiece(
        "bert",
        ["<p>", "<u>", "<c>", "<e>", "<m>"],
        tokenizer_config={
            "tokenizer_class": "BertTokenizer",
            "pad_token": "<p>",
            "unk_token": "<u>",
            "cls_token": "<c>",
            "sep_token": "<e>",
            "mask_token": {"__type": "AddedToken"} | token("<m>", lstrip=True, normalized=True),
            "bos_token": "[BOS]",
            "eos_token": None,
        },
    ),
    "bert-token-files": wordpiece(
        "bert",
        lines=words(BERT + ["[E1]"]),
        tokenizer_config={"tokenizer_class": "BertTokenizer", "cls_token": "[PAD]", "strip_accents": False},
        special_tokens_map={
            "cls_token": "[CLS]",
            "mask_token": token("[MASK]", lstrip=True),
            "additional_special_tokens": ["[E1]", token("[E2]", rstrip=True)],
        },
        added_tokens={"<new>": 400, "Bar": 401, "[E1]": 5},
    ),
    "bert-added-decoder": wordpiece(
        "bert",
        tokenizer_config={
            "tokenizer_class": "BertTokenizer",
            "model_max_length": 1e30,
            "additional_special_tokens": ["[E2]"],
            "added_tokens_decoder": {
                "4": token("[MASK]", rstrip=True) | {"special": True},
                "300": token("Bar", single_word=True, normalized=True) | {"special": False},
                "40": token("<q>") | {"special": True},
                "301": token("[E2]") | {"special": False},
            },
        },
        special_tokens_map={"mask_token": token("[MASK]", lstrip=True)},
    ),
    "bert-odd-lines": wordpiece("bert", raw=ODD, tokenizer_config={"tokenizer_class": "BertTokenizer"}),
    "distilbert": wordpiece("distilbert", tokenizer_config={"do_lower_case": False}),
    "electra": wordpiece("electra", tokenizer_config={"tokenizer_class": "ElectraTokenizer"}),
    "mobilebert": wordpiece("mobilebert"),
    "mpnet": wordpiece(
        "mpnet", MPNET, tokenizer_config={"tokenizer_class": "MPNetTokenizer", "mask_token": "<mask>"}
    ),
    "mpnet-token-map": wordpiece(
        "mpnet", MPNET, special_tokens_map={"mask_token": token("<mask>", normalized=True), "unk_token": "[UNK]"}
    ),
    "roberta-alone": roberta(),
    "roberta-prefix-space": roberta(
        tokenizer_config={"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True},
        special_tokens_map={
            "bos_token": token("<s>", normalized=True),
            "mask_token": token("<mask>", lstrip=True, normalized=True),
        },
    ),
    "xlm-roberta": unigram(
        "sentencepiece.bpe.model",
        {"model_type": "xlm-roberta"},
        XLMR,
        False,
        tokenizer_config={"tokenizer_class": "XLMRobertaTokenizer"},
    ),
    "albert": unigram("spiece.model", {"model_type": "albert"}, ALBERT, True),
    "albert-cased": unigram(
        "spiece.model",
        {"model_type": "albert"},
        ALBERT,
        True,
        tokenizer_config={"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True},
    ),
}


def is_same_for_both(text):
    """Among equal scores (xxxx) sentencepiece and the tokenizers library choose differently, a NUL ends a C string, and the
    slow tokenizers take away accents that combine, the library all nonspacing marks."""
    marks = any(unicodedata.category(c) == "Mn" and not unicodedata.combining(c) for c in text)
    return len(text) <= 90 and "\x00" not in text and not marks


def encode(folder, slow):
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=not slow)
    assert tokenizer.is_fast != slow
    if not slow:
        with tempfile.TemporaryDirectory() as saved:
            tokenizer.save_pretrained(saved)
            shutil.copy(pathlib.Path(saved, "tokenizer.json"), folder / "transformers.json")
    rows = []
    for text, pair in texts():
        if slow and not is_same_for_both(text):
            continue
        encoded = tokenizer(text, pair, return_token_type_ids=True)
        rows.append(
            {"text": text, "text_pair": pair, "ids": encoded["input_ids"], "type_ids": encoded["token_type_ids"]}
        )
    lines = ",\n".join(json.dumps(row) for row in rows)
    folder.joinpath("encoded.json").write_text(f"[\n{lines}\n]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "testdata" / "vocabularies")
    out = parser.parse_args().out.absolute()
    transformers.logging.set_verbosity_error()
    for name, (write, slow) in CASES.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(folder)
        encode(folder, slow)
    print(f"{len(CASES)} folders in {out}, by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
