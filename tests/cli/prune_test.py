#!/usr/bin/env python3
"""`convert --prune-heads`, from outside: what leaves the graph, what the bundle says of it, determinism, refusals."""
import json
import pathlib
import tempfile
import unittest

from bantam_cli import ROOT, run

MODEL = ROOT / "testdata/sst2-bert-tiny"
DECODER = ROOT / "testdata/fixtures/llama-text-generation"


class PruneHeads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.texts = cls.folder / "texts.tsv"
        cls.texts.write_text("\n".join((ROOT / "testdata/sentences.tsv").read_text().splitlines()[:40]) + "\n")
        cls.config = json.loads((MODEL / "config.json").read_text())

    def convert(self, name, *options, source=MODEL):
        out = self.folder / name
        result = run("convert", source, "-o", out, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out, json.loads((out / "bantam.json").read_text()), result

    def shapes(self, manifest, dtype="fp32"):
        variant = next(v for v in manifest["variants"] if v["dtype"] == dtype)
        return {tensor["name"]: tensor["shape"] for tensor in variant["tensors"]}

    def refused(self, *parts, arguments, code, source=MODEL):
        out = self.folder / "refused"
        result = run("convert", source, "-o", out, "-q", "-d", "fp32", *arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertFalse(out.exists())

    def test_a_list_leaves_without_any_data(self):
        out, manifest, result = self.convert("list", "-d", "fp32,q8,q4", "--prune-heads", "0:1;2:0")
        size = self.config["hidden_size"] // self.config["num_attention_heads"]
        shapes = self.shapes(manifest)
        hidden = self.config["hidden_size"]
        self.assertEqual(shapes["bert.encoder.layer.0.attention.self.query.weight"], [hidden - size, hidden])
        self.assertEqual(shapes["bert.encoder.layer.1.attention.self.query.weight"], [hidden, hidden])
        self.assertEqual(shapes["bert.encoder.layer.2.attention.output.dense.weight"], [hidden, hidden - size])
        self.assertEqual(manifest["recipe"]["prune_heads"], "0:1;2:0")
        self.assertEqual(json.loads((out / "config.json").read_text())["pruned_heads"], {"0": [1], "2": [0]})
        self.assertIn("2 heads left out: 0:1;2:0; nothing fitted", result.stderr)
        self.assertEqual(run("inspect", out).returncode, 0)
        self.assertEqual(run("run", out, "--dtype", "q8", "--text", "a warm, funny film").returncode, 0)

    def test_a_share_is_chosen_and_the_choice_does_not_depend_on_threads(self):
        bundles = []
        for threads in ("1", "2"):
            out, manifest, result = self.convert(f"share{threads}", "-d", "fp32,q8", "--prune-heads", "0.25", "--calibrate",
                                                 self.texts, "--threads", threads)
            self.assertIn("output projections fitted", result.stderr)
            bundles.append((manifest["recipe"]["prune_heads"], (out / "SHA256SUMS").read_text()))
        self.assertEqual(bundles[0], bundles[1])
        heads = self.config["num_attention_heads"] * self.config["num_hidden_layers"]
        chosen = sum(len(layer.split(":")[1].split(",")) for layer in bundles[0][0].split(";"))
        self.assertEqual(chosen, round(heads / 4))

    def test_fitting_brings_the_answers_nearer(self):
        _, manifest, _ = self.convert("fitted", "-d", "fp32", "--prune-heads", "0.5", "--calibrate", self.texts)
        heads = manifest["recipe"]["prune_heads"]
        self.convert("bare", "-d", "fp32", "--prune-heads", heads)
        divergence = {}
        for name in ("fitted", "bare"):
            result = run("evaluate", self.folder / name, "--reference", MODEL, "--data", ROOT / "testdata/sentences.tsv", "--json", "-q")
            self.assertEqual(result.returncode, 0, result.stderr)
            divergence[name] = json.loads(result.stdout)["variants"][0]["kl_mean"]
        self.assertLess(divergence["fitted"], divergence["bare"])

    def test_decoders_keep_caches_of_one_shape(self):
        out, _, _ = self.convert("decoder", "-d", "fp32,q4f16", "--prune-heads", "0:2;1:0", source=DECODER)
        config = json.loads((out / "config.json").read_text())
        self.assertEqual((config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]), (6, 2, 8))
        self.refused("as many heads in every layer", arguments=["--prune-heads", "0:1"], code=1, source=DECODER)

    def test_a_dry_run_reads_no_weight_and_knows_the_sizes(self):
        arguments = ["-d", "fp32", "--prune-heads", "0.25", "--calibrate", self.texts]
        result = run("convert", MODEL, *arguments, "--dry-run", "--json", "-q")
        self.assertEqual(result.returncode, 0, result.stderr)
        planned = {f["name"]: f["bytes"] for f in json.loads(result.stdout)["plan"]["files"]}
        out, _, _ = self.convert("planned", *arguments)
        shards = sum((out / name).stat().st_size for name in planned if "onnx_data" in name)
        self.assertLess(abs(shards - sum(size for name, size in planned.items() if "onnx_data" in name)), 65536)

    def test_what_makes_no_sense_is_refused(self):
        for text in ("0", "1", "-0.5", "two", "0.2x", "nan"):
            self.refused("prune heads", text, arguments=[f"--prune-heads={text}", "--calibrate", self.texts], code=2)
        self.refused("--calibrate", arguments=["--prune-heads", "0.2"], code=2)
        self.refused("layer 0 has no head 99", arguments=["--prune-heads", "0:99"], code=1)
        self.refused("there is no layer 9", arguments=["--prune-heads", "9:0"], code=1)
        self.refused("names layer 0 twice", arguments=["--prune-heads", "0:1;0:2"], code=2)
        self.refused("is none", arguments=["--prune-heads", "0.0001", "--calibrate", self.texts], code=1)
        self.refused("one must stay", arguments=["--prune-heads", "0.99", "--calibrate", self.texts], code=1)


if __name__ == "__main__":
    unittest.main()
