#!/usr/bin/env python3
"""`bantam bench`: figures that agree with each other and with the wall clock."""
import json
import pathlib
import tempfile
import time
import unittest

from bantam_cli import ROOT, run

FOLDER = tempfile.TemporaryDirectory()
BUNDLE = pathlib.Path(FOLDER.name) / "bundle"


def setUpModule():
    result = run("convert", ROOT / "testdata/sst2-bert-tiny", "-o", BUNDLE, "--dtype", "fp32,q8,q4", "-q")
    assert result.returncode == 0, result.stderr


def bench(*arguments):
    result = run("bench", BUNDLE, *arguments, "--json", "-q")
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return json.loads(result.stdout)


class Figures(unittest.TestCase):
    def test_they_are_of_one_variant_and_agree(self):
        result = bench("--dtype", "q8", "--batch", "3", "--length", "17", "--threads", "2", "--runs", "7")
        self.assertEqual((result["batch"], result["length"], result["threads"], result["baseline"]), (3, 17, 2, "q8"))
        (variant,) = result["variants"]
        self.assertEqual((variant["dtype"], variant["phase"], variant["runs"], variant["speedup"]), ("q8", "forward", 7, 1))
        for key in ("median_ms", "min_ms", "p10_ms", "p90_ms", "mean_ms", "tokens_per_s"):
            self.assertEqual(result[key], variant[key])
        self.assertTrue(0 < variant["min_ms"] <= variant["p10_ms"] <= variant["median_ms"] <= variant["p90_ms"])
        self.assertAlmostEqual(variant["tokens_per_s"] * variant["median_ms"] / 1000, 51, delta=1e-6)
        self.assertEqual(variant["ops"], [])

    def test_variants_are_compared_with_fp32(self):
        result = bench("--dtype", "q4,fp32,q8", "--length", "8", "--runs", "5")
        self.assertEqual([variant["dtype"] for variant in result["variants"]], ["q4", "fp32", "q8"])
        self.assertEqual(result["baseline"], "fp32")
        base = result["variants"][1]["median_ms"]
        for variant in result["variants"]:
            self.assertAlmostEqual(variant["speedup"], base / variant["median_ms"], delta=1e-9)
            sizes = sum(path.stat().st_size for path in (BUNDLE / "onnx").iterdir()
                        if path.name.startswith({"fp32": "model.onnx", "q8": "model_quantized.onnx",
                                                 "q4": "model_q4.onnx"}[variant["dtype"]]))
            self.assertEqual(variant["file_bytes"], sizes)
        self.assertEqual(result["median_ms"], result["variants"][0]["median_ms"])

    def test_all_variants_are_the_default(self):
        for arguments in ((), ("--dtype", "all")):
            found = bench("--runs", "1", "--length", "4", *arguments)["variants"]
            self.assertEqual([variant["dtype"] for variant in found], ["fp32", "q8", "q4"])

    def test_seconds_are_of_the_wall_clock(self):
        begin = time.monotonic()
        result = bench("--dtype", "q8", "--seconds", "0.5", "--length", "16")
        elapsed = time.monotonic() - begin
        (variant,) = result["variants"]
        measured = variant["runs"] * variant["mean_ms"] / 1000
        self.assertGreaterEqual(measured, 0.499)
        self.assertLessEqual(measured, elapsed)
        self.assertGreaterEqual(variant["runs"], 5)

    def test_the_profile_covers_the_time(self):
        (variant,) = bench("--dtype", "q4", "--runs", "5", "--batch", "2", "--profile")["variants"]
        self.assertIn("MatMulNBits", [op["op"] for op in variant["ops"]])
        total = sum(op["ms"] for op in variant["ops"])
        runs = variant["runs"] * variant["mean_ms"]
        self.assertLessEqual(total, runs)
        self.assertGreater(total, 0.5 * runs)

    def test_the_table_says_the_same(self):
        result = run("bench", BUNDLE, "--dtype", "fp32,q8", "--runs", "3", "--length", "4", "--threads", "1", "--profile")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"\Adtype +phase +median ms +min +p10 +p90 +runs +tokens/s +x fp32 +memory\n")
        self.assertRegex(result.stdout, r"\nfp32 +forward +[\d.]+ .* 1\.00 ")
        self.assertIn("Batch 1, length 4; 1 thread, instruction set v", result.stdout)
        self.assertIn("\nq8, forward:\nop ", result.stdout)


class Refused(unittest.TestCase):
    def refused(self, *arguments, parts, code=1, bundle=BUNDLE):
        result = run("bench", bundle, *arguments, "-q")
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertRegex(result.stderr, r"\Abantam: [^\n]+\n\Z")
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_what_the_bundle_cannot_do(self):
        self.refused("--dtype", "q8,q5", parts=["\"q5\"", "fp32, q8, q4"])
        self.refused("--length", "129", code=2, parts=["--length 129", "at most 128"])
        self.refused(bundle=ROOT / "testdata/sst2-bert-tiny", parts=["is not a bundle"])
        self.refused(bundle=BUNDLE / "none", parts=["none"])

    def test_numbers_that_cannot_be(self):
        for option, value in (("--batch", "0"), ("--length", "-1"), ("--runs", "0"), ("--runs", "x"), ("--threads", "0"),
                              ("--seconds", "0"), ("--seconds", "-1"), ("--seconds", "nan")):
            with self.subTest(option=option, value=value):
                self.refused(f"{option}={value}", code=2, parts=[option])
        self.refused("--runs", "2", "--seconds", "2", code=2, parts=["--runs", "--seconds"])


if __name__ == "__main__":
    unittest.main()
