#!/usr/bin/env python3
"""`convert --method`, from outside: what the bundle says of it, the same bytes for any threads and memory, refusals."""
import json
import unittest

from bantam_cli import run
from convert_case import SENTENCES, ConvertCase

QUERY = "bert.encoder.layer.0.attention.self.query.weight"


class Methods(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.texts = cls.write_texts("texts.tsv", SENTENCES[:60])
        cls.stats = cls.calibrate("stats", cls.texts)

    def encodings(self, bundle, dtype="q4"):
        manifest = self.manifest(bundle)
        variant = next(v for v in manifest["variants"] if v["dtype"] == dtype)
        return manifest, {tensor["name"]: tensor["encoding"] for tensor in variant["tensors"]}

    def test_the_manifest_names_the_method(self):
        for method, encoding in {"rtn": "int4/block=32/symmetric", "search": "int4/block=32/symmetric/search",
                                 "hqq": "int4/block=32/symmetric/hqq", "weighted": "int4/block=32/symmetric/weighted",
                                 "gptq": "int4/block=32/symmetric/gptq"}.items():
            known = ["--stats", self.stats] if method in ("weighted", "gptq") else []
            bundle = self.convert(method, "-d", "q4", "--method", method, *known)
            manifest, encodings = self.encodings(bundle)
            self.assertEqual(manifest["recipe"]["variants"][0]["method"], method)
            self.assertEqual(encodings[QUERY], encoding)

    def test_embeddings_are_searched_whatever_the_method(self):
        _, encodings = self.encodings(self.convert("embedding", "-d", "q4", "--method", "gptq", "--stats", self.stats))
        self.assertEqual(encodings["bert.embeddings.word_embeddings.weight"], "int8/block=128/symmetric")

    def test_statistics_make_gptq_the_default_of_four_bits_alone(self):
        bundle = self.convert("default", "-d", "q4,q8", "--stats", self.stats)
        manifest, encodings = self.encodings(bundle)
        self.assertNotIn("method", manifest["recipe"]["variants"][0])
        self.assertEqual(encodings[QUERY], "int4/block=32/symmetric/gptq")
        self.assertEqual(encodings[QUERY.replace("query", "value")], "int8/block=128/symmetric")
        self.assertNotIn("gptq", str(self.encodings(bundle, "q8")[1]))

    def test_threads_memory_and_company_change_no_byte(self):
        one = self.convert("one", "-d", "q4", "--stats", self.stats, "--threads", "1")
        many = self.convert("many", "-d", "q4", "--stats", self.stats, "--threads", "4", "--stats-memory", "1MB")
        both = self.convert("both", "-d", "q4,q4f16", "--stats", self.stats)
        self.assertEqual(self.weights(one), self.weights(many))
        for shard in (one / "onnx").iterdir():
            self.assertEqual(shard.read_bytes(), (both / "onnx" / shard.name).read_bytes(), shard.name)

    def test_calibrating_in_one_go_gives_the_same_bytes(self):
        apart = self.convert("apart", "-d", "q4", "--stats", self.stats)
        at_once = self.convert("at-once", "-d", "q4", "--calibrate", self.texts)
        self.assertEqual(self.weights(apart), self.weights(at_once))

    def test_a_recipe_names_methods(self):
        recipe = self.folder / "recipe.json"
        recipe.write_text(json.dumps({"variants": [{"dtype": "q4", "method": "hqq"}]}))
        _, encodings = self.encodings(self.convert("recipe", "--recipe", recipe))
        self.assertEqual(encodings[QUERY], "int4/block=32/symmetric/hqq")

    def test_a_dry_run_plans_what_calibration_will_allow(self):
        result = run("convert", self.MODEL, "-d", "q4", "--calibrate", self.texts, "--dry-run")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("int4/block=32/symmetric/gptq", result.stdout)

    def test_methods_that_need_statistics_are_refused_without(self):
        for method in ("gptq", "weighted"):
            self.refused("q4", method, "--stats", "--calibrate", arguments=["-d", "q4", "--method", method], code=2)

    def test_statistics_of_ranges_alone_do_not_serve_gptq(self):
        ranges = self.calibrate("ranges", self.texts, "--what", "ranges")
        self.refused("ranges", "moments", arguments=["-d", "q4", "--method", "gptq", "--stats", ranges], code=1)

    def test_unknown_methods_are_usage_errors(self):
        self.refused("gptq", arguments=["-d", "q4", "--method", "gpqt"], code=2)
        recipe = self.folder / "bad.json"
        recipe.write_text(json.dumps({"variants": [{"dtype": "q4", "method": "magic"}]}))
        self.refused("bad.json", "method", arguments=["--recipe", recipe], code=2)


if __name__ == "__main__":
    unittest.main()
