"""A tiny decoder with a tokenizer, for command-line tests."""
import json
import shutil

from bantam_cli import ROOT, run


def write_checkpoint(path):
    """A fixture of random weights and a tokenizer of 67 tokens, which is all that its table of embeddings has."""
    shutil.copytree(ROOT / "testdata/fixtures/qwen2-text-generation", path)
    words = ["<pad>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *"_.,:;|<>/?!"]
    words[40] = "\u0120"  # a blank, as byte-level tokenizers write it
    words[41] = "\u010a"  # a line feed
    words[42:46] = ["\u00f0", "\u0141", "\u0130", "\u012b"]  # bytes of characters beyond ASCII
    words = words[:67]
    added = [{"id": i, "content": words[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i in range(3)]
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
                 "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                           "vocab": {word: i for i, word in enumerate(words)}, "merges": []}}
    (path / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
                                                            "tokenizer_class": "PreTrainedTokenizerFast"}))
    return path


def convert(source, path, dtypes):
    result = run("convert", source, "-o", path, "--dtype", dtypes, "-q")
    assert result.returncode == 0, result.stderr
    return path


def put(path, content):
    """Replaces a file of a bundle, and what the manifest says of its size."""
    path.write_bytes(content)
    manifest = path.parent / "bantam.json"
    listed = json.loads(manifest.read_text())
    for entry in listed["files"]:
        if entry["name"] == path.name:
            entry["bytes"] = len(content)
    manifest.write_text(json.dumps(listed))
