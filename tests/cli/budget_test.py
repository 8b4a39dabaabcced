#!/usr/bin/env python3
"""`convert --max-size`, `--budget-kl`, `--budget-retention`, from outside: budgets are held, and what cannot be is refused."""
import json
import pathlib
import tempfile
import unittest

from bantam_cli import ROOT, run

MODEL = ROOT / "testdata/sst2-bert-tiny"


class Budgets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.texts = cls.folder / "texts.tsv"
        cls.texts.write_text("\n".join((ROOT / "testdata/sentences.tsv").read_text().splitlines()[:80]) + "\n")

    def convert(self, name, *options):
        out = self.folder / name
        result = run("convert", MODEL, "-o", out, "-q", "--force", *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out, json.loads((out / "bantam.json").read_text())

    def refused(self, *parts, arguments, code):
        out = self.folder / "refused"
        result = run("convert", MODEL, "-o", out, "-q", *arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertFalse(out.exists())

    def sizes(self):
        """Of the variant with all weights in four bits, and in eight."""
        found = []
        for bits in (4, 8):
            recipe = self.folder / f"all{bits}.json"
            recipe.write_text(json.dumps({"variants": [{"dtype": "q4", "rules": [{"match": "*", "bits": bits}]}]}))
            found.append(self.convert(f"all{bits}", "--recipe", recipe)[1]["variants"][0]["bytes"])
        return found

    def test_the_best_that_fits_gets_better_with_the_size_and_can_be_made_again(self):
        small, large = self.sizes()
        expected = []
        for share in (0.0, 0.3, 0.7, 1.0):
            limit = int(small + share * (large - small)) + 64
            out, manifest = self.convert(f"size{share}", "-d", "q4", "--calibrate", self.texts, "--max-size", str(limit))
            self.assertLessEqual(manifest["variants"][0]["bytes"], limit)
            self.assertGreater(manifest["variants"][0]["bytes"], limit - 0.12 * (large - small) - 64)
            note = next(note for note in manifest["notes"] if "expected" in note and "frontier" not in note)
            self.assertIn("measured", note)
            self.assertTrue(any("frontier" in note for note in manifest["notes"]))
            expected.append(float(note.split("expected divergence ")[1].split(",")[0]))
        self.assertEqual(expected, sorted(expected, reverse=True))
        self.assertLess(expected[-1], 0.1 * expected[0])
        # The manifest's recipe says which weight has how many bits: nothing needs to be measured again.
        recipe = self.folder / "again.json"
        recipe.write_text(json.dumps({**manifest["recipe"], "source": str(MODEL)}))
        again, _ = self.convert("again", "--recipe", recipe, "--calibrate", self.texts)
        for shard in (out / "onnx").iterdir():
            self.assertEqual(shard.read_bytes(), (again / "onnx" / shard.name).read_bytes(), shard.name)

    def test_without_examples_noise_decides(self):
        small, large = self.sizes()
        limit = (small + large) // 2
        _, manifest = self.convert("noise", "-d", "q4", "--max-size", str(limit))
        self.assertLessEqual(manifest["variants"][0]["bytes"], limit)
        self.assertTrue(any("expected noise" in note for note in manifest["notes"]))

    def test_a_divergence_is_held_with_few_bytes(self):
        sizes = []
        for limit in (3e-3, 3e-5):
            _, manifest = self.convert(f"kl{limit}", "-d", "q4", "--calibrate", self.texts, "--budget-kl", str(limit))
            note = next(note for note in manifest["notes"] if "measured" in note)
            self.assertLessEqual(float(note.split("measured ")[1]), limit)
            sizes.append(manifest["variants"][0]["bytes"])
        self.assertLess(sizes[0], sizes[1])

    def test_a_share_of_the_score_is_held(self):
        _, manifest = self.convert("retention", "-d", "q4", "--evaluate", self.texts, "--budget-retention", "0.99")
        report = json.loads((self.folder / "retention" / "report.json").read_text())
        self.assertGreaterEqual(report["variants"][0]["retention"]["value"], 0.99)
        self.assertTrue(any("frontier" in note for note in manifest["notes"]))

    def test_rules_of_the_user_win(self):
        small, large = self.sizes()
        recipe = self.folder / "rules.json"
        recipe.write_text(json.dumps({"variants": [{"dtype": "q4", "rules": [{"role": "mlp_down", "bits": 8}]}]}))
        _, manifest = self.convert("rules", "--recipe", recipe, "--max-size", str((small + large) // 2))
        downs = [t["encoding"] for t in manifest["variants"][0]["tensors"] if t["role"] == "mlp_down"]
        self.assertTrue(downs and all(encoding.startswith("int8") for encoding in downs), downs)

    def test_a_plan_says_that_the_run_will_choose(self):
        result = run("convert", MODEL, "-d", "q4", "--max-size", "9MB", "--dry-run")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("the run will choose bits", result.stdout)

    def test_what_nothing_can_meet_is_an_error_with_the_nearest(self):
        small, _ = self.sizes()
        self.refused("nothing fits 100000 bytes", str(small), "--block-size",
                     arguments=["-d", "q4", "--max-size", "100000"], code=1)
        self.refused("--budget-kl 1e-12", "nearest", "eight bits",
                     arguments=["-d", "q4", "--calibrate", self.texts, "--budget-kl", "1e-12"], code=1)

    def test_budgets_that_make_no_sense_are_usage_errors(self):
        self.refused("exclude each other", arguments=["-d", "q4", "--max-size", "1MB", "--budget-kl", "0.1",
                                                      "--calibrate", self.texts], code=2)
        self.refused("--evaluate", "--calibrate", arguments=["-d", "q4", "--budget-kl", "0.1"], code=2)
        self.refused("q4 and q4f16", arguments=["-d", "q8", "--max-size", "1MB"], code=2)
        self.refused("above 0", arguments=["-d", "q4", "--budget-kl", "-1", "--calibrate", self.texts], code=2)
        self.refused("share", arguments=["-d", "q4", "--budget-retention", "1.5", "--evaluate", self.texts], code=2)


if __name__ == "__main__":
    unittest.main()
