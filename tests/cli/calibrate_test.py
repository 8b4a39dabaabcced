#!/usr/bin/env python3
"""`bantam calibrate`, merging, `convert --static`, from outside: any split gives the same file, and what is refused."""
import json
import os
import pathlib
import shutil
import struct
import tempfile
import unittest

from bantam_cli import ROOT, run

MODEL = ROOT / "testdata/sst2-bert-tiny"
LINES = (ROOT / "testdata/sentences.tsv").read_text().splitlines()


def index_of(path):
    data = pathlib.Path(path).read_bytes()
    offset, size = struct.unpack_from("<QQ", data, 16)
    return json.loads(data[offset:offset + size])


class Calibrate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.data = cls.folder / "texts.tsv"
        cls.data.write_text("\n".join(LINES[:132]) + "\n")  # 131 texts: four blocks and three texts
        cls.whole = cls.calibrate("whole")

    @classmethod
    def calibrate(cls, name, *more, source=MODEL):
        out = cls.folder / name
        result = run("calibrate", source, "--data", cls.data, "-o", out, "-q", *more)
        assert result.returncode == 0, result.stderr
        return out

    def refused(self, *parts, arguments, code=1, out="out"):
        result = run("calibrate", *arguments, "-q", "-o", self.folder / out)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertFalse((self.folder / out).exists())
        self.assertEqual([n for n in os.listdir(self.folder) if "partial" in n], [])

    def text(self, name, content):
        path = self.folder / name
        path.write_text(content)
        return path


class Splits(Calibrate):
    def test_threads_and_memory_change_nothing(self):
        for name, options in {"one": ["--threads", "1"], "three": ["--threads", "3"],
                              "waves": ["--stats-memory", "3MB"]}.items():
            self.assertEqual(self.whole.read_bytes(), self.calibrate(name, *options).read_bytes(), name)

    def test_parts_merge_to_the_whole_in_any_order(self):
        for parts in (2, 3, 5):
            files = [self.calibrate(f"{i}-of-{parts}", "--part", f"{i}/{parts}") for i in range(1, parts + 1)]
            for order in (files, files[::-1]):
                merged = self.folder / f"merged-{parts}"
                result = run("calibrate", "merge", *order, "-o", merged, "--force", "-q")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(self.whole.read_bytes(), merged.read_bytes(), parts)

    def test_what_chooses_what_is_gathered(self):
        both = index_of(self.whole)
        self.assertEqual(both["collected"], ["ranges", "moments", "hessians"])
        self.assertEqual(both["data"][0]["blocks"], [[0, 5]])
        ranges = self.calibrate("ranges", "--what", "ranges")
        self.assertEqual(index_of(ranges)["collected"], ["ranges"])
        self.assertLess(ranges.stat().st_size, self.whole.stat().st_size / 2)
        for a, b in zip(both["sites"], index_of(ranges)["sites"]):
            self.assertEqual(a, b)


class OwnText(Calibrate):
    decoder = ROOT / "testdata/fixtures/llama-text-generation"

    def own(self, name, *more):
        out = self.folder / name
        result = run("calibrate", self.decoder, "--data", "self", "--limit", "5", "--max-length", "24", "-o", out, "-q", *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out

    def test_a_decoder_writes_the_same_text_for_a_seed(self):
        first = self.own("own")
        data = index_of(first)["data"][0]
        self.assertEqual((data["texts"], data["tokens"], data["name"]), (5, 120, "self"))
        self.assertEqual(first.read_bytes(), self.own("again", "--threads", "1").read_bytes())
        self.assertNotEqual(data["sha256"], index_of(self.own("seeded", "--seed", "1"))["data"][0]["sha256"])

    def test_other_models_cannot(self):
        result = run("calibrate", MODEL, "--data", "self", "-o", self.folder / "no", "-q")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("only a decoder can write its own calibration text", result.stderr)


class Refusals(Calibrate):
    def test_bad_data(self):
        empty = self.text("empty.txt", "")
        self.refused("empty.txt", "no example", arguments=[MODEL, "--data", empty])
        short = self.text("short.txt", "too short\n")
        self.refused("short.txt: 4 tokens are too few to calibrate with", arguments=[MODEL, "--data", short])
        broken = self.text("broken.jsonl", '{"text": "a"}\n{"text": \n')
        self.refused("broken.jsonl:2: ", arguments=[MODEL, "--data", broken])
        self.refused("nowhere.txt", arguments=[MODEL, "--data", self.folder / "nowhere.txt"])

    def test_ids_outside_the_vocabulary(self):
        model = self.folder / "odd"
        shutil.copytree(MODEL, model)
        tokenizer = json.loads((model / "tokenizer.json").read_text())
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["film"] = 70000
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))
        number = next(i for i, line in enumerate(LINES, 1) if " film" in line)
        self.refused(f"texts.tsv:{number}: gives token 70000, but the model's vocabulary has 5000",
                     arguments=[model, "--data", self.data])

    def test_activations_that_are_not_finite(self):
        model = self.folder / "broken"
        shutil.copytree(MODEL, model)
        path = model / "model.safetensors"
        data = bytearray(path.read_bytes())
        size = struct.unpack_from("<Q", data)[0]
        header = json.loads(data[8:8 + size])
        name = "bert.encoder.layer.1.intermediate.dense.bias"
        at = 8 + size + header[name]["data_offsets"][0]
        data[at:at + 4] = struct.pack("<f", float("inf"))
        path.write_bytes(data)
        self.refused("texts.tsv:", "node \"/encoder/layer.1/intermediate/dense/Gemm\" gives NaN or infinity",
                     arguments=[model, "--data", self.data])

    def test_bad_command_lines(self):
        good = [MODEL, "--data", self.data]
        self.refused("--data is missing", arguments=[MODEL], code=2)
        for part in ("0/2", "3/2", "1", "a/b", "1/2/3", "1/"):
            self.refused("--part", arguments=[*good, "--part", part], code=2)
        self.refused("is empty: 131 texts make 5 blocks",
                     arguments=[*good, "--part", "1/6"])
        self.refused("its Hessian takes", "more than --stats-memory",
                     arguments=[*good, "--stats-memory", "1KiB"])
        result = run("calibrate", MODEL, "--data", self.data, "-o", self.whole)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("whole", result.stderr)

    def test_merges_that_cannot_be(self):
        self.refused("in both", arguments=["merge", self.whole, self.whole])
        ranges = self.calibrate("only-ranges", "--what", "ranges", "--part", "1/2")
        self.refused("other kinds of statistics", arguments=["merge", self.whole, ranges])
        other = self.calibrate("other", source=self.other_model())
        self.refused("other: was made for another checkpoint", arguments=["merge", self.whole, other])
        self.refused("two files of statistics or more", arguments=["merge", self.whole], code=2)
        self.refused("is not a file of statistics", arguments=["merge", self.whole, self.data])

    def other_model(self):
        model = self.folder / "other-model"
        if not model.exists():
            shutil.copytree(MODEL, model)
            config = json.loads((model / "config.json").read_text())
            config["layer_norm_eps"] = 1e-6
            (model / "config.json").write_text(json.dumps(config))
        return model


class Static(Calibrate):
    def convert(self, name, *more, code=0):
        out = self.folder / name
        result = run("convert", MODEL, "-o", out, "-d", "q8", "-q", *more)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr if code else out

    def test_a_file_of_statistics_and_texts_give_the_same_bundle(self):
        self.assertEqual((self.convert("a", "--static", "--stats", self.whole) / "SHA256SUMS").read_text(),
                         (self.convert("b", "--static", "--calibrate", self.data) / "SHA256SUMS").read_text())

    def test_the_recipe_says_what_was_chosen(self):
        bundle = self.convert("c", "--static", "--stats", self.whole, "--ranges", "min-max", "--quant-format", "qoperator")
        variant = json.loads((bundle / "bantam.json").read_text())["recipe"]["variants"][0]
        self.assertEqual(variant["static"], {"ranges": "min-max", "format": "qoperator"})

    def test_a_dry_run_knows_every_size(self):
        result = run("convert", MODEL, "-d", "q8", "--static", "--calibrate", self.data, "--dry-run", "--json", "-q")
        self.assertEqual(result.returncode, 0, result.stderr)
        planned = {f["name"]: f["bytes"] for f in json.loads(result.stdout)["plan"]["files"]}
        bundle = self.convert("d", "--static", "--calibrate", self.data)
        for name in ("onnx/model_quantized.onnx", "onnx/model_quantized.onnx_data"):
            self.assertEqual(planned[name], (bundle / name).stat().st_size, name)

    def test_refusals(self):
        self.assertIn("give texts (--calibrate FILE) or statistics", self.convert("x", "--static", code=2))
        self.assertIn("one of them is enough",
                      self.convert("x", "--static", "--stats", self.whole, "--calibrate", self.data, code=2))
        moments = self.calibrate("moments", "--what", "moments")
        self.assertIn("moments: holds no ranges", self.convert("x", "--static", "--stats", moments, code=1))
        other = self.calibrate("elsewhere", source=Refusals.other_model(self))
        self.assertIn("elsewhere: was made for another checkpoint", self.convert("x", "--static", "--stats", other, code=1))
        plain = self.calibrate("plain-scaling", "--no-canonical")
        self.assertIn("another choice of --no-canonical", self.convert("x", "--static", "--stats", plain, code=1))
        self.convert("plain-bundle", "--static", "--stats", plain, "--no-canonical")
        self.assertFalse((self.folder / "x").exists())
        result = run("convert", MODEL, "-o", self.folder / "x", "-d", "q4", "--static", "--stats", self.whole)
        self.assertEqual(result.returncode, 2, result.stderr)

    def test_what_is_lost_is_held_to_a_limit(self):
        texts = self.text("plain.tsv", "\n".join(line.split("\t")[0] for line in LINES[:101]) + "\n")
        static = ["--static", "--calibrate", texts, "--json"]
        limited = run("convert", MODEL, "-o", self.folder / "limited", "-d", "q8", *static, "--max-drop", "1e-5")
        self.assertEqual(limited.returncode, 0, limited.stderr)
        note = next(n for n in json.loads(limited.stdout)["notes"] if "back in float" in n)
        rules = json.loads(limited.stdout)["recipe"]["variants"][0]["rules"]
        back = [rule["match"] for rule in rules if rule["keep"]]
        self.assertTrue(note.endswith(f"of KL with {len(back)} linears back in float: {', '.join(back)}"), note)
        self.assertLess(float(note.split("loses ")[1].split()[0]), 1e-5)
        kept = [t["name"] for t in json.loads(limited.stdout)["variants"][0]["tensors"]
                if t["encoding"] == "float32" and t["name"] in back]
        self.assertEqual(sorted(kept), sorted(back))
        self.assertTrue(0 < len(back) < 24, back)
        # The recipe makes the same bundle, without looking for it again.
        recipe = self.text("recipe.json", json.dumps(json.loads(limited.stdout)["recipe"]))
        again = run("convert", MODEL, "-o", self.folder / "again", "--recipe", recipe, "--calibrate", texts, "-q")
        self.assertEqual(again.returncode, 0, again.stderr)
        for name in ("onnx/model_quantized.onnx", "onnx/model_quantized.onnx_data"):
            self.assertEqual(*((self.folder / bundle / name).read_bytes() for bundle in ("limited", "again")), name)
        labelled = run("convert", MODEL, "-o", self.folder / "labelled", "-d", "q8", "--static", "--calibrate", self.data,
                       "--json", "--max-drop", "0.5")
        self.assertIn("of accuracy; no linear goes back", labelled.stdout)

    def test_limits_that_cannot_be_met(self):
        result = self.convert("x", "--static", "--calibrate", self.data, "--max-drop", "-1", code=2)
        self.assertIn("--max-drop", result)
        texts = self.text("plain2.tsv", "\n".join(line.split("\t")[0] for line in LINES[:41]) + "\n")
        message = self.convert("x", "--static", "--calibrate", texts, "--max-drop", "1e-12", code=1)
        self.assertIn("with every linear in float, more than --max-drop 1e-12", message)
        self.assertIn("--evaluate FILE or --calibrate FILE",
                      self.convert("x", "--static", "--stats", self.whole, "--max-drop", "0.1", code=2))
        self.assertFalse((self.folder / "x").exists())


if __name__ == "__main__":
    unittest.main()
