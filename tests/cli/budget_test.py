#!/usr/bin/env python3
"""`convert --max-size`, `--min-retention`, `--max-kl`, from outside: budgets are held, and what cannot be is refused."""
import json
import unittest

from bantam_cli import run
from convert_case import SENTENCES, ConvertCase


class Budgets(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.texts = cls.write_texts("texts.tsv", SENTENCES[:80])

    def convert(self, name, *options):
        out = super().convert(name, "--force", *options)
        return out, self.manifest(out)

    def frontier(self, manifest):
        """Checked against what the run wrote."""
        [frontier] = manifest["frontiers"]
        points, chosen = frontier["points"], frontier["chosen"]
        self.assertEqual(chosen["bytes"], manifest["variants"][0]["bytes"])
        for one, next_one in zip(points, points[1:]):
            self.assertLess(one["bytes"], next_one["bytes"])
            self.assertGreater(one["expected"], next_one["expected"])
        # No choice beats the hull by more than what is laid between tensors.
        better = [p for p in points if p["expected"] >= chosen["expected"]]
        self.assertGreaterEqual(chosen["bytes"], (better[-1] if better else points[0])["bytes"] - 256)
        return frontier

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
            frontier = self.frontier(manifest)
            self.assertEqual((frontier["dtype"], frontier["unit"], frontier["tried"]), ("q4", "KL", []))
            self.assertLess(abs(frontier["points"][0]["bytes"] - small), 256)
            self.assertLess(abs(frontier["points"][-1]["bytes"] - large), 256)
            expected.append(frontier["chosen"]["expected"])
            self.assertEqual(f"{expected[-1]:.4g}", note.split("expected KL ")[1].split(",")[0])
        self.assertEqual(expected, sorted(expected, reverse=True))
        self.assertLess(expected[-1], 0.1 * expected[0])
        # The manifest's recipe says which weight has how many bits: nothing needs to be measured again.
        recipe = self.folder / "again.json"
        recipe.write_text(json.dumps({**manifest["recipe"], "source": str(self.MODEL)}))
        again, _ = self.convert("again", "--recipe", recipe, "--calibrate", self.texts)
        for shard in (out / "onnx").iterdir():
            self.assertEqual(shard.read_bytes(), (again / "onnx" / shard.name).read_bytes(), shard.name)

    def test_without_examples_noise_decides(self):
        small, large = self.sizes()
        limit = (small + large) // 2
        _, manifest = self.convert("noise", "-d", "q4", "--max-size", str(limit))
        self.assertLessEqual(manifest["variants"][0]["bytes"], limit)
        self.assertTrue(any("expected noise" in note for note in manifest["notes"]))
        frontier = self.frontier(manifest)
        self.assertEqual(frontier["unit"], "noise")
        self.assertNotIn("measured", frontier["chosen"])

    def test_a_divergence_is_held_with_few_bytes(self):
        sizes = []
        for limit in (3e-3, 3e-5):
            _, manifest = self.convert(f"kl{limit}", "-d", "q4", "--calibrate", self.texts, "--max-kl", str(limit))
            note = next(note for note in manifest["notes"] if "measured" in note)
            self.assertLessEqual(float(note.split("measured ")[1]), limit)
            frontier = self.frontier(manifest)
            self.assertEqual(frontier["unit"], "KL")
            self.assertLessEqual(frontier["chosen"]["measured"], limit)
            self.assertGreaterEqual(len(frontier["tried"]), 2)
            # Nothing smaller that was measured held the limit.
            for tried in frontier["tried"]:
                if tried["bytes"] < frontier["chosen"]["bytes"] - 256:
                    self.assertGreater(tried["measured"], limit)
            sizes.append(manifest["variants"][0]["bytes"])
        self.assertLess(sizes[0], sizes[1])

    def test_what_holds_on_all_examples_passes_the_gate(self):
        texts = self.write_texts("many.tsv", SENTENCES[:200])  # more than sensitivity is measured on
        out, manifest = self.convert("gate", "-d", "q4", "--evaluate", texts, "--max-kl", "3e-4")
        report = json.loads((out / "report.json").read_text())
        [gate] = [gate for gate in report["gates"] if gate["name"] == "--max-kl"]
        self.assertEqual(gate["verdict"], "passed")
        self.assertGreater(report["samples"], 100)
        measured = self.frontier(manifest)["chosen"]["measured"]
        self.assertAlmostEqual(measured / report["variants"][0]["kl_mean"], 1, delta=0.01)

    def test_a_share_of_the_score_is_held_and_judged(self):
        out, manifest = self.convert("retention", "-d", "q4", "--evaluate", self.texts, "--min-retention", "0.99", "--max-kl", "1e-3")
        report = json.loads((out / "report.json").read_text())
        self.assertGreaterEqual(report["variants"][0]["retention"]["value"], 0.99)
        self.assertLessEqual(report["variants"][0]["kl_mean"], 1e-3)
        self.assertEqual({gate["name"] for gate in report["gates"]} & {"--min-retention", "--max-kl"}, {"--min-retention", "--max-kl"})
        self.assertEqual(report["frontiers"], manifest["frontiers"])
        self.frontier(manifest)
        for file in ("report.md", "report.html"):
            self.assertIn("Bits within the budget, q4", (out / file).read_text())

    def test_fixed_bits_are_only_judged(self):
        out = self.folder / "fixed"
        result = run("convert", self.MODEL, "-o", out, "-q", "-d", "q4", "--evaluate", self.texts, "--max-kl", "1e-12", "--fixed-bits")
        self.assertEqual(result.returncode, 3, result.stderr)
        manifest, plain = self.manifest(out), self.convert("plain", "-d", "q4")[1]
        self.assertNotIn("frontiers", manifest)
        self.assertEqual(manifest["variants"][0]["bytes"], plain["variants"][0]["bytes"])

    def test_a_size_chooses_and_limits_then_judge(self):
        small, _ = self.sizes()
        out = self.folder / "both"
        result = run("convert", self.MODEL, "-o", out, "-q", "-d", "q4", "--evaluate", self.texts, "--max-size", str(small + 64), "--max-kl", "1e-12")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertLessEqual(self.manifest(out)["variants"][0]["bytes"], small + 64)

    def test_rules_of_the_user_win(self):
        small, large = self.sizes()
        recipe = self.folder / "rules.json"
        recipe.write_text(json.dumps({"variants": [{"dtype": "q4", "rules": [{"role": "mlp_down", "bits": 8}]}]}))
        _, manifest = self.convert("rules", "--recipe", recipe, "--max-size", str((small + large) // 2))
        downs = [t["encoding"] for t in manifest["variants"][0]["tensors"] if t["role"] == "mlp_down"]
        self.assertTrue(downs and all(encoding.startswith("int8") for encoding in downs), downs)

    def test_a_plan_says_that_the_run_will_choose(self):
        result = run("convert", self.MODEL, "-d", "q4", "--max-size", "9MB", "--dry-run")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("the run will choose bits", result.stdout)

    def test_what_nothing_can_meet_is_an_error_with_the_nearest(self):
        small, _ = self.sizes()
        self.refused("nothing fits 100000 bytes", str(small), "--block-size",
                     arguments=["-d", "q4", "--max-size", "100000"], code=1)
        self.refused("--max-kl 1e-12", "nearest", "eight bits",
                     arguments=["-d", "q4", "--calibrate", self.texts, "--max-kl", "1e-12"], code=1)
        plain = self.write_texts("plain.txt", [line.split("\t")[0] for line in SENTENCES[1:20]])
        self.refused("labelled", "--max-kl", "--fixed-bits", arguments=["-d", "q4", "--evaluate", plain, "--min-retention", "0.9"], code=1)

    def test_budgets_that_make_no_sense_are_usage_errors(self):
        self.refused("--evaluate", arguments=["-d", "q4", "--max-size", "1MB", "--max-kl", "0.1", "--calibrate", self.texts], code=2)
        self.refused("--evaluate", "--calibrate", arguments=["-d", "q4", "--max-kl", "0.1"], code=2)
        self.refused("--evaluate", arguments=["-d", "q8", "--max-kl", "0.1", "--calibrate", self.texts], code=2)
        self.refused("--evaluate", arguments=["-d", "q4", "--max-kl", "0.1", "--calibrate", self.texts, "--fixed-bits"], code=2)
        self.refused("--fixed-bits", arguments=["-d", "q4", "--max-size", "1MB", "--fixed-bits"], code=2)
        self.refused("q4 and q4f16", arguments=["-d", "q8", "--max-size", "1MB"], code=2)
        self.refused("above 0", arguments=["-d", "q4", "--max-kl", "-1", "--calibrate", self.texts], code=2)
        self.refused("share", arguments=["-d", "q4", "--min-retention", "1.5", "--evaluate", self.texts], code=2)


if __name__ == "__main__":
    unittest.main()
