#!/usr/bin/env python3
"""What is wrong with an input is said in one line that names it, and nothing is left behind."""
import json
import math
import os
import pathlib
import struct
import tempfile
import unittest

from bantam_cli import run
from checkpoints import CONFIG, ENTRIES, QUERY, WORDS, header_of, safetensors, write_checkpoint, write_safetensors

DATA = b"".join(data for _, _, data in ENTRIES.values())


def header(**changes):
    """The right header, with entries of these tensors changed; a value of None takes the tensor out."""
    entries = header_of(ENTRIES)
    for name, change in changes.items():
        if change is None:
            del entries[name]
        else:
            entries[name] = entries.get(name, {}) | change
    return entries


class BadInput(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source = self.folder / "source"
        (self.folder / "target").mkdir()

    def convert(self, *more, source=None, output=None, **options):
        output = self.folder / "target/out" if output is None else output
        return run("convert", source or self.source, "-o", output, "--threads", "2", *more, **options)

    def refused(self, *parts, more=(), code=1, source=None, output=None, **options):
        """One line that says all of `parts`; target/ as empty as before."""
        result = self.convert(*more, source=source, output=output, **options)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        lines = [line for line in result.stderr.splitlines() if not line.startswith("bantam: measure: ")]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("bantam: "), lines[0])
        self.assertLess(len(lines[0]), 1500)
        self.assertTrue(lines[0].isprintable(), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])
        self.assertEqual(os.listdir(self.folder / "target"), [], "something was left behind")
        return lines[0]


class Weights(BadInput):
    def with_file(self, data):
        write_checkpoint(self.source)
        (self.source / "model.safetensors").write_bytes(data)

    def test_the_checkpoint_is_right_without_a_change(self):
        write_checkpoint(self.source)
        self.assertEqual(self.convert().returncode, 0)

    def test_a_file_cut_off_anywhere(self):
        whole = safetensors(header_of(ENTRIES), DATA)
        begin = len(whole) - len(DATA)
        for length in (0, 4, 8, 100, begin - 1, begin, begin + 1, len(whole) - 1):
            with self.subTest(length):
                self.with_file(whole[:length])
                self.refused("model.safetensors")

    def test_more_bytes_than_the_header_describes(self):
        self.with_file(safetensors(header_of(ENTRIES), DATA + b"\0"))
        self.refused("model.safetensors", "1 bytes")

    def test_headers_that_lie(self):
        right = header_of(ENTRIES)
        size = len(DATA)
        begin, end = right[QUERY]["data_offsets"]
        cases = {
            "offsets beyond the file": ({QUERY: {"data_offsets": [size, size + end - begin]}}, "gap"),
            "offsets that overflow": ({QUERY: {"data_offsets": [2**63 - 8, 2**63 + 9208]}}, QUERY),
            "offsets that run backwards": ({QUERY: {"data_offsets": [end, begin]}}, QUERY),
            "overlap": ({QUERY: {"data_offsets": [begin - 4, end - 4]}}, "overlaps"),
            "a gap": ({QUERY: None}, "gap"),
            "a shape of another size": ({QUERY: {"shape": [48, 47]}}, QUERY),
            "a shape that overflows": ({QUERY: {"shape": [2**32, 2**32, 2**32]}}, QUERY),
            "a negative dimension": ({QUERY: {"shape": [-48, -48]}}, QUERY),
            "a dimension that is no integer": ({QUERY: {"shape": [48.0, 48]}}, QUERY),
            "another element size": ({QUERY: {"dtype": "F16"}}, QUERY),
            "an unknown dtype": ({QUERY: {"dtype": "Q4_K"}}, "Q4_K"),
            "a quantized dtype": ({QUERY: {"dtype": "F8_E4M3"}}, "F8_E4M3"),
            "an unknown key": ({QUERY: {"strides": [1, 2]}}, "strides"),
            "metadata that is no text": ({"__metadata__": {"format": 3}}, "__metadata__"),
        }
        for name, (changes, part) in cases.items():
            with self.subTest(name):
                self.with_file(safetensors(header(**changes), DATA))
                self.refused("model.safetensors", part)

    def test_headers_that_are_no_headers(self):
        text = json.dumps(header_of(ENTRIES))
        twice = text[:-1] + f', "{QUERY}": {json.dumps(header_of(ENTRIES)[QUERY])}}}'
        cases = {
            "a duplicate key": (twice.encode(), QUERY),
            "absurd nesting": (b'{"a":' * 100_000, "model.safetensors"),
            "absurd nesting of lists": (b'{"a":' + b"[" * 100_000, "model.safetensors"),
            "no JSON": (b"{nonsense", "JSON"),
            "no object": (b"[]      ", "model.safetensors"),
            "a tensor that is no object": (b'{"a": 3}', "a"),
            "control characters": (b'{"a\\u001b[2J": {"dtype":"F32","shape":[],"data_offsets":[0,4]}}', "control"),
        }
        for name, (data, part) in cases.items():
            with self.subTest(name):
                self.with_file(safetensors(data, DATA))
                self.refused("model.safetensors", part)

    def test_a_header_length_beyond_reason(self):
        for length in (100_000_001, 2**40, 2**63, 2**64 - 1):
            with self.subTest(length):
                self.with_file(struct.pack("<Q", length) + b"{}")
                self.refused("model.safetensors", str(length))

    def test_other_things_under_the_name_of_weights(self):
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 437955512\n"
        cases = {"Git-LFS": pointer, "web page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
                 "pickle": b"PK\x03\x04" + b"\0" * 200, "GGUF": b"GGUF" + b"\0" * 200}
        for word, data in cases.items():
            with self.subTest(word):
                self.with_file(data)
                self.refused("model.safetensors", word)

    def test_a_named_pipe_under_the_name_of_weights(self):
        write_checkpoint(self.source)
        (self.source / "model.safetensors").unlink()
        os.mkfifo(self.source / "model.safetensors")
        self.refused("model.safetensors", "not a regular file")

    def test_weights_that_are_not_finite_are_named(self):
        for value in (math.nan, math.inf, -math.inf):
            with self.subTest(value):
                entries = dict(ENTRIES)
                data = bytearray(entries[QUERY][2])
                struct.pack_into("<f", data, 4 * (7 * 48 + 5), value)
                entries[QUERY] = ("F32", [48, 48], bytes(data))
                write_checkpoint(self.source, entries=entries)
                for dtype in ("fp32", "fp16", "q8", "uint8", "q4", "q4f16"):
                    with self.subTest(dtype):
                        self.refused(QUERY, "row 7", "column 5", "--allow-nonfinite", more=("--dtype", dtype, "-q"))

    def test_allowed_they_reach_floating_point_and_nothing_else(self):
        entries = dict(ENTRIES)
        data = struct.pack("<f", math.inf) + entries[QUERY][2][4:]
        entries[QUERY] = ("F32", [48, 48], data)
        write_checkpoint(self.source, entries=entries)
        for dtype in ("q8", "uint8", "q4"):
            with self.subTest(dtype):
                self.refused(QUERY, more=("--dtype", dtype, "--allow-nonfinite", "-q"))
        result = self.convert("--dtype", "fp32", "--allow-nonfinite")
        self.assertEqual(result.returncode, 0, result.stderr)
        out = self.folder / "target/out"
        manifest = json.loads((out / "bantam.json").read_text())
        part = next(t for t in manifest["variants"][0]["tensors"] if t["name"] == QUERY)["parts"][0]
        stored = (out / part["file"]).read_bytes()[part["offset"]:][:part["bytes"]]
        self.assertEqual(stored, data)


class Shards(BadInput):
    def setUp(self):
        super().setUp()
        write_checkpoint(self.source, shards=3)
        self.index = self.source / "model.safetensors.index.json"
        self.second = "model-00002-of-00003.safetensors"

    def change_index(self, change):
        index = json.loads(self.index.read_text())
        change(index)
        self.index.write_text(json.dumps(index))

    def test_the_checkpoint_is_right_without_a_change(self):
        self.assertEqual(self.convert().returncode, 0)

    def test_a_shard_is_missing(self):
        (self.source / self.second).unlink()
        self.refused(self.second, "missing")

    def test_a_shard_too_many(self):
        write_safetensors(self.source / "model-00004-of-00004.safetensors", {"x": ("F32", [1], b"\0\0\0\0")})
        self.refused("model-00004-of-00004.safetensors")

    def test_a_shard_is_cut_off(self):
        path = self.source / self.second
        path.write_bytes(path.read_bytes()[:-5])
        self.refused(self.second, "truncated")

    def test_a_shard_is_a_git_lfs_pointer(self):
        (self.source / self.second).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        self.refused(self.second, "Git-LFS")

    def test_the_index_is_a_git_lfs_pointer(self):
        self.index.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        self.refused("model.safetensors.index.json", "Git-LFS")

    def test_the_index_names_files_elsewhere(self):
        outside = self.folder / "outside.safetensors"
        write_safetensors(outside, dict([next(iter(ENTRIES.items()))]))
        for name in ("../outside.safetensors", str(outside), "sub/x.safetensors", "..", "", "a\\b.safetensors"):
            with self.subTest(name):
                self.change_index(lambda index: index["weight_map"].update({WORDS: name}))
                self.refused("model.safetensors.index.json", WORDS)

    def test_the_index_knows_a_tensor_that_is_not_there(self):
        self.change_index(lambda index: index["weight_map"].update({"bert.extra": self.second}))
        self.refused("bert.extra", self.second)

    def test_the_index_does_not_know_a_tensor_that_is_there(self):
        self.change_index(lambda index: index["weight_map"].pop(QUERY))
        self.refused(QUERY)

    def test_the_index_places_a_tensor_in_another_shard(self):
        def move(index):
            here = index["weight_map"][QUERY]
            index["weight_map"][QUERY] = next(s for s in set(index["weight_map"].values()) if s != here)
        self.change_index(move)
        self.refused(QUERY)

    def test_the_index_is_missing(self):
        self.index.unlink()
        self.refused("model.safetensors.index.json")

    def test_the_index_is_no_index(self):
        for text in ("", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', '{"weight_map": {"a": "b", "a": "c"}}',
                     '{"a":' * 5000):
            with self.subTest(text[:40]):
                self.index.write_text(text)
                self.refused("model.safetensors.index.json")


class Configuration(BadInput):
    def test_values_that_cannot_be(self):
        cases = {
            "model_type": [("yolo", "yolo"), (3, "3"), (None, "missing"), ("", "empty")],
            "hidden_act": [("gelu_squared", "gelu_squared"), (7, "7")],
            "architectures": [(["BertForPoetry"], "BertForPoetry"), ([3], "3")],
            "quantization_config": [({"quant_method": "gptq", "bits": 4}, "gptq")],
            "hidden_size": [(0, "0"), (-48, "-48"), (48.5, "48.5"), ("48", "48"), (10**30, "hidden_size"), (True, "true")],
            "num_attention_heads": [(5, "5"), (0, "0")],
            "num_hidden_layers": [(10**9, "num_hidden_layers")],
            "vocab_size": [([211], "a list"), (2**40, "vocab_size")],
            "is_decoder": [(True, "decoder")],
            "position_embedding_type": [("relative_key", "relative_key")],
        }
        for key, values in cases.items():
            for value, part in values:
                with self.subTest(key=key, value=value):
                    write_checkpoint(self.source, config={key: value})
                    self.refused("config.json", key, part)

    def test_values_that_disagree_with_the_weights(self):
        cases = {"hidden_size": (96, WORDS), "vocab_size": (210, WORDS), "num_hidden_layers": (3, "encoder.layer.2."),
                 "intermediate_size": (81, "intermediate.dense.weight")}
        for key, (value, tensor) in cases.items():
            with self.subTest(key):
                write_checkpoint(self.source, config={key: value})
                self.refused(str(self.source), tensor)

    def test_tensors_missing_and_left_over(self):
        entries = dict(ENTRIES)
        entries["bert.encoder.layer.0.mystery.weight"] = entries.pop(QUERY)
        write_checkpoint(self.source, entries=entries)
        self.refused("bert.encoder.layer.0.mystery.weight", QUERY.removeprefix("bert."))

    def test_files_that_are_no_configuration(self):
        for text in ("", "nonsense", "[]", "null", '{"a": 1, "a": 2}', "{" * 10_000, "version https://git-lfs", '{"a": 1e999}',
                     '{"model_type": "bert\x00"}', b'{"model_type": "\xff"}'.decode("latin-1")):
            with self.subTest(text[:40]):
                write_checkpoint(self.source)
                (self.source / "config.json").write_text(text, encoding="latin-1")
                self.refused("config.json")

    def test_no_configuration(self):
        write_checkpoint(self.source)
        (self.source / "config.json").unlink()
        self.refused("config.json")

    def test_no_weights(self):
        write_checkpoint(self.source)
        (self.source / "model.safetensors").unlink()
        self.refused("model.safetensors")
        (self.source / "pytorch_model.bin").write_bytes(b"")
        self.refused("pytorch_model.bin", "zip archive")

    def test_no_folder(self):
        self.refused("hf download", source="nobody/nothing", env={"HF_HUB_CACHE": str(self.folder)})
        self.refused("No such file", source=str(self.folder / "absent/way"))
        write_checkpoint(self.source)
        self.refused("is a file", source=str(self.source / "model.safetensors"))

    def test_a_task_that_the_weights_have_no_head_for(self):
        write_checkpoint(self.source)
        self.refused("text-classification", "classifier", more=("--task", "text-classification"))


class CommandLine(BadInput):
    def setUp(self):
        super().setUp()
        write_checkpoint(self.source)

    def test_words_that_do_not_exist(self):
        self.refused("'q3'", "did you mean", more=("--dtype", "q3"), code=2)
        self.refused("fp23", "did you mean fp32", more=("--dtype", "q8,fp23"), code=2)
        self.refused("nonsense", "fp32, fp16", more=("--dtype", "nonsense"), code=2)
        self.refused("q4", "twice", more=("--dtype", "q4,q8,q4"), code=2)
        self.refused("--dtype", more=("--dtype", ""), code=2)
        self.refused("poetry", more=("--task", "poetry"), code=2)
        self.refused("zip", more=("--compress", "zip"), code=2)
        self.refused("nose", more=("--keep-role", "nose"), code=2)

    def test_numbers_that_cannot_be(self):
        self.refused("block", "33", more=("--block-size", "33"), code=2)
        self.refused("--block-size", more=("--block-size", "lots"), code=2)
        self.refused("64KiB", more=("--shard-size", "1KiB"), code=2)
        self.refused("1GiB", more=("--shard-size", "2GiB"), code=2)
        self.refused("--shard-size", more=("--shard-size", "big"), code=2)
        self.refused("--shard-size", more=("--shard-size", "-5"), code=2)
        self.refused("--threads", more=("--threads", "0"), code=2)
        self.refused("--threads", more=("--threads", "9" * 30), code=2)

    def test_patterns_that_match_nothing(self):
        self.refused("nothing.*", "bantam inspect", more=("--keep", "nothing.*"), code=2)

    def test_an_instruction_set_that_is_not_there(self):
        self.refused("BANTAM_ISA=v9", env={"BANTAM_ISA": "v9"}, code=2, more=("-q",))

    def test_recipes(self):
        recipe = self.folder / "recipe.json"
        cases = {
            "not JSON": ("{", "not valid JSON"),
            "empty": ("", "not valid JSON"),
            "a list": ("[]", "an object was expected"),
            "an unknown key": ('{"dtypes": ["q4"]}', "dtypes"),
            "a key twice": ('{"task": "fill-mask", "task": "fill-mask"}', "task"),
            "a typo": ('{"variants": [{"dtype": "q4", "block-size": 32}]}', "variants[0]: unknown key"),
            "an unknown dtype": ('{"variants": [{"dtype": "q8"}, {"dtype": "q5"}]}', "variants[1].dtype"),
            "no dtype": ('{"variants": [{}]}', "variants[0]"),
            "a dtype twice": ('{"variants": [{"dtype": "q4"}, {"dtype": "q4"}]}', "q4"),
            "a block size": ('{"variants": [{"dtype": "q4", "block_size": 48}]}', "variants[0].block_size: 48"),
            "a wrong type": ('{"allow_nonfinite": "yes"}', "allow_nonfinite"),
            "a rule without a target": ('{"variants": [{"dtype": "q4", "rules": [{"keep": true}]}]}', "rule"),
            "a rule that says two things": ('{"variants": [{"dtype": "q4", "rules": [{"match": "*", "keep": true, "bits": 8}]}]}', "rule"),
            "a rule that says nothing": ('{"variants": [{"dtype": "q4", "rules": [{"match": "*"}]}]}', "rule"),
            "a rule that matches nothing": ('{"variants": [{"dtype": "q4", "rules": [{"match": "x", "keep": true}]}]}', '"x"'),
            "layers that are none": ('{"variants": [{"dtype": "q4", "rules": [{"layers": "a-b", "keep": true}]}]}', "layers"),
            "layers backwards": ('{"variants": [{"dtype": "q4", "rules": [{"layers": "3-1", "keep": true}]}]}', "layers"),
            "layers beyond numbers": ('{"variants": [{"dtype": "q4", "rules": [{"layers": "99999999999999999999", "keep": true}]}]}', "layers"),
            "layers that the model lacks": ('{"variants": [{"dtype": "q4", "rules": [{"layers": "7-9", "keep": true}]}]}', "layers 7-9"),
            "a rule with blocks of no bits": ('{"variants": [{"dtype": "q4", "rules": [{"match": "*", "block_size": 64}]}]}', "bits"),
            "embeddings": ('{"variants": [{"dtype": "q4", "embeddings": "both"}]}', "variants[0].embeddings"),
            "an unknown role": ('{"variants": [{"dtype": "q4", "rules": [{"role": "nose", "keep": true}]}]}', "rules[0].role"),
            "an unknown compression": ('{"compress": ["lzma"]}', "compress[0]"),
            "a size": ('{"shard_size": "much"}', "shard_size"),
            "a task": ('{"task": "poetry"}', "task"),
            "nesting": ("[" * 1000, "nested"),
        }
        for name, (text, part) in cases.items():
            with self.subTest(name):
                recipe.write_text(text)
                self.refused(part, more=("--recipe", recipe, "-q"), code=2)
        self.refused("absent.json", "No such file", more=("--recipe", self.folder / "absent.json"))


class Targets(BadInput):
    def setUp(self):
        super().setUp()
        write_checkpoint(self.source)

    def test_it_exists(self):
        for kind in ("folder", "file", "link", "dangling link"):
            with self.subTest(kind):
                target = self.folder / f"taken by a {kind}"
                if kind == "folder":
                    target.mkdir()
                elif kind == "file":
                    target.write_text("mine")
                else:
                    target.symlink_to(self.folder / ("target" if kind == "link" else "absent"))
                before = sorted(os.listdir(self.folder))
                self.refused(str(target), "exists", "--force", output=target)
                self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_force_replaces_it_and_only_by_a_whole_bundle(self):
        target = self.folder / "target/out"
        target.mkdir()
        self.assertEqual(self.convert("--force").returncode, 0)
        (target / "mine").write_text("old")
        result = self.convert("--force", "--dtype", "nonsense")
        self.assertEqual(result.returncode, 2)
        self.assertEqual((target / "mine").read_text(), "old")
        (self.source / "model.safetensors").rename(self.source / "away")
        self.assertEqual(self.convert("--force").returncode, 1)
        self.assertEqual((target / "mine").read_text(), "old")
        (self.source / "away").rename(self.source / "model.safetensors")
        self.assertEqual(self.convert("--force").returncode, 0)
        self.assertEqual(os.listdir(self.folder / "target"), ["out"])
        self.assertFalse((target / "mine").exists())
        self.assertTrue((target / "bantam.json").exists())

    def test_force_replaces_nothing_but_bundles(self):
        documents = self.folder / "documents"
        documents.mkdir()
        (documents / "thesis.txt").write_text("mine")
        self.refused("documents", "no bantam.json", output=documents, more=("--force",))
        self.refused("thesis.txt", "is no folder", output=documents / "thesis.txt", more=("--force",))
        self.assertEqual((documents / "thesis.txt").read_text(), "mine")
        (documents / "thesis.txt").unlink()
        self.assertEqual(run("convert", self.source, "-o", documents, "--force", "-q").returncode, 0)  # empty

    def test_its_parent_cannot_take_it(self):
        (self.folder / "plain").write_text("")
        self.refused("absent", "create it first", output=self.folder / "absent/out")
        self.refused("plain", output=self.folder / "plain/out")
        self.refused("cannot", output="/proc/out")
        self.refused("File name too long", output=self.folder / "target" / ("x" * 300))
        for folder in (self.folder, self.source):
            os.chmod(folder, 0o755)
        os.chmod(self.folder / "target", 0o555)
        # Root may write anywhere: then somebody else tries.
        self.refused("Permission denied", "target", preexec_fn=(lambda: os.setuid(65534)) if os.getuid() == 0 else None)

    def test_it_lies_in_the_source_or_around_it(self):
        self.refused("inside the source", output=self.source / "out")
        self.refused("lies inside the output", output=self.folder, more=("--force",))
        self.refused("source", output=self.source, more=("--force",))
        link = self.folder / "link"
        link.symlink_to(self.source)
        self.refused("inside the source", output=link / "out")
        self.refused("inside the source", output="out", cwd=self.source)
        self.assertEqual(sorted(os.listdir(self.source)), ["config.json", "model.safetensors"])

    def test_odd_names(self):
        for output in ("", ".", "..", "/", "./", "///"):
            with self.subTest(output):
                result = self.convert(output=output, cwd=self.folder / "target")
                self.assertIn(result.returncode, (1, 2), result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertNotIn("internal error", result.stderr)
                self.assertEqual(os.listdir(self.folder / "target"), [])
        self.assertEqual(self.convert(output="a b\n'\"\u00e4", cwd=self.folder / "target").returncode, 0)


if __name__ == "__main__":
    unittest.main()
