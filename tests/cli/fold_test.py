#!/usr/bin/env python3
"""`convert --method awq` and `--smooth`, from outside: what the bundle says, the same bytes for any threads, refusals."""
import json
import unittest

from bantam_cli import ROOT, run
from convert_case import SENTENCES, ConvertCase

ENCODER = ROOT / "testdata/sst2-bert-tiny"
GATE = "model.layers.0.mlp.gate_proj.weight"


class Fold(ConvertCase):
    MODEL = ROOT / "testdata/tiny-llama"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.texts = cls.write_texts("texts.txt", [line.split("\t")[0] for line in SENTENCES[:60]])
        cls.stats = cls.calibrate("stats", cls.texts)

    def test_awq_says_so_and_changes_the_weights(self):
        awq = self.convert("awq", "-d", "q4", "--method", "awq", "--stats", self.stats)
        manifest = self.manifest(awq)
        variant = manifest["variants"][0]
        self.assertEqual(manifest["recipe"]["variants"][0]["method"], "awq")
        encodings = {tensor["name"]: tensor["encoding"] for tensor in variant["tensors"]}
        self.assertEqual(encodings[GATE], "int4/block=32/symmetric/weighted")
        self.assertTrue(any(note.startswith("q4: awq: ") and "groups of channels folded" in note for note in manifest["notes"]),
                        manifest["notes"])
        weighted = self.convert("weighted", "-d", "q4", "--method", "weighted", "--stats", self.stats)
        self.assertNotEqual(self.weights(awq), self.weights(weighted))

    def test_smoothing_says_so_and_leaves_other_dtypes_alone(self):
        smooth = self.convert("smooth", "-d", "q8,fp32", "--smooth", "0.5", "--stats", self.stats)
        plain = self.convert("plain", "-d", "q8,fp32")
        manifest = self.manifest(smooth)
        q8, fp32 = manifest["recipe"]["variants"]
        self.assertEqual((q8["smooth"], "smooth" in fp32), (0.5, False))
        self.assertIn("q8: the outputs of 4 norms are smoothed, alpha 0.5", manifest["notes"])
        self.assertNotEqual(self.weights(smooth), self.weights(plain))
        for bundle in (smooth, plain):
            self.assertTrue((bundle / "onnx/model.onnx").exists())
        for file in sorted((plain / "onnx").glob("model.onnx*")):
            self.assertEqual(file.read_bytes(), (smooth / "onnx" / file.name).read_bytes(), file.name)

    def test_answers_stay_close(self):
        bundle = self.convert("close", "-d", "q8,uint8,q4", "--method", "awq", "--smooth", "0.6", "--stats", self.stats)
        result = run("evaluate", bundle, "--reference", self.MODEL, "--data", self.texts, "--json", "-q")
        self.assertEqual(result.returncode, 0, result.stderr)
        for variant in json.loads(result.stdout)["variants"]:
            divergence = variant["kl_mean"]
            self.assertLess(divergence, 0.002 if variant["dtype"] != "q4" else 0.05, variant["dtype"])

    def test_threads_and_memory_change_no_byte(self):
        options = ["-d", "q4,q8", "--method", "awq", "--smooth", "0.5", "--stats", self.stats]
        one = self.convert("one", *options, "--threads", "1")
        many = self.convert("many", *options, "--threads", "4", "--stats-memory", "1MB")
        self.assertEqual(self.weights(one), self.weights(many))

    def test_calibrating_in_one_go_gives_the_same_bytes(self):
        apart = self.convert("apart", "-d", "q8", "--smooth", "0.5", "--stats", self.stats)
        at_once = self.convert("at-once", "-d", "q8", "--smooth", "0.5", "--calibrate", self.texts)
        self.assertEqual(self.weights(apart), self.weights(at_once))

    def test_static_ranges_are_of_the_smoothed_model(self):
        options = ["-d", "q8", "--static", "--ranges", "min-max", "--calibrate", self.texts]
        plain, smooth = self.convert("static", *options), self.convert("static-smooth", *options, "--smooth", "0.5")
        for bundle in (plain, smooth):
            result = run("evaluate", bundle, "--reference", self.MODEL, "--data", self.texts, "--json", "-q")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertLess(json.loads(result.stdout)["variants"][0]["kl_mean"], 0.005)
        self.assertNotEqual(self.weights(plain), self.weights(smooth))
        # A file of statistics cannot tell them.
        self.refused("q8", "static", "--calibrate",
                     arguments=["-d", "q8", "--smooth", "0.5", "--static", "--stats", self.stats], code=2)
        dry = run("convert", self.MODEL, *options, "--smooth", "0.5", "--dry-run")
        self.assertEqual(dry.returncode, 0, dry.stderr)

    def test_a_recipe_smooths(self):
        recipe = self.folder / "recipe.json"
        recipe.write_text(json.dumps({"variants": [{"dtype": "q8", "smooth": 0.5}]}))
        by_recipe = self.convert("recipe", "--recipe", recipe, "--stats", self.stats)
        by_flag = self.convert("flag", "-d", "q8", "--smooth", "0.5", "--stats", self.stats)
        self.assertEqual(self.weights(by_recipe), self.weights(by_flag))

    def test_without_statistics_both_are_refused(self):
        self.refused("q4", "awq", "--stats", "--calibrate", arguments=["-d", "q4", "--method", "awq"], code=2)
        self.refused("q8", "smooth", "--stats", "--calibrate", arguments=["-d", "q8", "--smooth", "0.5"], code=2)
        dry = run("convert", self.MODEL, "-d", "q8", "--smooth", "0.5", "--dry-run")
        self.assertEqual(dry.returncode, 2, dry.stderr)

    def test_statistics_without_moments_do_not_serve(self):
        ranges = self.calibrate("ranges", self.texts, "--what", "ranges")
        for options in (["-d", "q8", "--smooth", "0.5"], ["-d", "q4", "--method", "awq"]):
            self.refused("ranges", "moments", arguments=[*options, "--stats", ranges], code=1)

    def test_a_model_without_norms_before_its_layers_has_nothing_to_smooth(self):
        self.refused(str(ENCODER), "q8: nothing to smooth", arguments=["-d", "q8", "--smooth", "0.5", "--calibrate", self.texts],
                     code=1, model=ENCODER)

    def test_what_makes_no_sense_is_a_usage_error(self):
        known = ["--stats", self.stats]
        self.refused("--smooth", "q8", arguments=["-d", "q4,fp32", "--smooth", "0.5", *known], code=2)
        for value in ("0", "-1", "1.5", "nan"):
            self.refused("smooth", arguments=["-d", "q8", "--smooth", value, *known], code=2)
        self.refused("--smooth", arguments=["-d", "q8", "--smooth", "much", *known], code=2)
        recipe = self.folder / "bad.json"
        for variant in ({"dtype": "q8", "smooth": 2}, {"dtype": "q8", "smooth": "yes"}, {"dtype": "q4", "smooth": 0.5}):
            recipe.write_text(json.dumps({"variants": [variant]}))
            self.refused("smooth", arguments=["--recipe", recipe, *known], code=2)


if __name__ == "__main__":
    unittest.main()
