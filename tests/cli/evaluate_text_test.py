#!/usr/bin/env python3
"""`bantam evaluate` on decoders: perplexity is PyTorch's, the figures of predicted tokens agree with each other, answers to
prompts are scored, and what cannot be judged is refused in one line."""
import json
import math
import os
import pathlib
import re
import tempfile
import unittest

from bantam_cli import ROOT, run
from decoders import convert, put, write_checkpoint

TESTDATA = ROOT / "testdata"
SHARED = pathlib.Path(os.environ.get("BANTAM_SHARED", ROOT / "../shared"))


def shared(path):
    return SHARED / path.removeprefix("shared/")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.checkpoint = write_checkpoint(cls.folder / "tiny")
        cls.bundle = convert(cls.checkpoint, cls.folder / "bundle", "fp32,q4")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def report(self, data, *arguments, bundle=None):
        result = run("evaluate", bundle or self.bundle, "--data", data, "--json", "-q", "--layers", "0", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)

    def refused(self, data, *arguments, parts, code=1, bundle=None):
        result = run("evaluate", bundle or self.bundle, "--data", data, "-q", *arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)


class Perplexity(Case):
    TEXT = "some words and more words, then again some words\nand a line\n" * 6

    def test_perplexity_is_that_of_pytorch(self):
        bundles = {}
        for golden in json.loads((TESTDATA / "perplexity-golden.json").read_text()):
            if not shared(golden["source"]).exists():
                print(f"left out: {golden['source']} is not here")
                continue
            if golden["source"] not in bundles:
                bundles[golden["source"]] = convert(shared(golden["source"]), self.folder / f"shared{len(bundles)}", "fp32")
            with self.subTest(golden):
                report = self.report(shared(golden["data"]), "--max-length", str(golden["max_length"]), "--stride", str(golden["stride"]),
                                     "--limit", str(golden["limit"]), bundle=bundles[golden["source"]])
                variant = report["variants"][0]
                self.assertEqual(report["metric"], "perplexity")
                self.assertAlmostEqual(variant["score"]["value"] / golden["perplexity"], 1, delta=1e-3)
                self.assertEqual(variant["tokens"]["tokens"], golden["tokens"])
                self.assertEqual(variant["tokens"]["windows"], golden["limit"])

    def test_figures_agree_with_each_other(self):
        report = self.report(self.write("text.txt", self.TEXT), "--max-length", "24", "--stride", "8", "--reference", self.checkpoint)
        fp32, q4 = report["variants"]
        for variant in (fp32, q4):
            tokens = variant["tokens"]
            self.assertAlmostEqual(tokens["perplexity"]["value"], variant["score"]["value"], places=6)
            self.assertAlmostEqual(tokens["reference_perplexity"]["value"], report["reference_score"]["value"], places=6)
            self.assertAlmostEqual(tokens["perplexity_ratio"]["value"], tokens["perplexity"]["value"] / tokens["reference_perplexity"]["value"], places=9)
            self.assertAlmostEqual(tokens["ln_perplexity_ratio"]["value"], math.log(tokens["perplexity_ratio"]["value"]), places=9)
            self.assertAlmostEqual(tokens["kl_mean"]["value"], variant["kl_mean"], places=12)
            self.assertAlmostEqual(tokens["same_top"]["value"], variant["top1_agreement"], places=12)
            self.assertEqual(tokens["tokens"], variant["positions"])
            self.assertLessEqual(tokens["kl_median"], tokens["kl_p99"])
            self.assertLessEqual(tokens["kl_p999"], tokens["kl_max"])
        self.assertLess(fp32["tokens"]["kl_max"], 1e-6)
        for figure in ("kl_mean", "perplexity_ratio", "delta_p_rms"):
            self.assertGreater(q4["tokens"][figure]["error"], 0)
        self.assertGreater(q4["tokens"]["delta_p_rms"]["value"], 0)

    def test_reports_show_them(self):
        data, out = self.write("text.txt", self.TEXT), self.folder / "report"
        result = run("evaluate", self.bundle, "--data", data, "--report", out, "--max-length", "24", "-q")
        self.assertEqual(result.returncode, 0, result.stderr)
        for text in (result.stdout, (out / "report.md").read_text(), (out / "report.html").read_text()):
            for word in ("PPL ratio", "KL median", "KL max", "dp RMS", "same top", "\u00b1"):
                self.assertIn(word, text.replace("<br>", " "))
            self.assertNotIn("cosine", text.split("Where the error")[0].split("dtype")[1].split("\n")[0])
        compared = run("compare", out, out)
        self.assertEqual(compared.returncode, 0, compared.stderr)

    def test_one_window_has_no_errors(self):
        tokens = self.report(self.write("short.txt", "a few words"), "--max-length", "24")["variants"][1]["tokens"]
        self.assertEqual((tokens["windows"], tokens["kl_mean"]["error"], tokens["perplexity"]["error"]), (1, 0, 0))


class Answers(Case):
    def written(self, prompt, *more):
        result = run("run", self.bundle, "--dtype", "fp32", "--text", prompt, "--json", "--max-new-tokens", "16", *more)
        return json.loads(result.stdout)["answers"][0]["generated_text"]

    def rows(self, *rows, prompt="prompt", wanted="reference"):
        return self.write("rows.jsonl", "".join(json.dumps({prompt: a, wanted: b}) + "\n" for a, b in rows))

    def test_answers_are_scored_against_what_is_wanted(self):
        same = self.written("hello")
        self.assertRegex(same, "[A-Za-z]")
        for metric in ("rouge1", "rougeL", "rouge1-stem", "rougeL-stem"):
            report = self.report(self.rows(("hello", same), ("hello", "!!")), "--metric", metric, "--max-new-tokens", "16")
            self.assertEqual((report["metric"], report["samples"]), (metric, 2))
            self.assertAlmostEqual(report["reference_score"]["value"], 0.5, places=9)
            self.assertAlmostEqual(report["variants"][0]["score"]["value"], 0.5, places=9)
        self.assertIn("at most 16 tokens", report["notes"][0])
        # One word has no pair of words, and no four of them.
        self.assertEqual(self.report(self.rows(("hello", same)), "--metric", "rouge2")["variants"][0]["score"]["value"], 0)
        self.assertEqual(self.report(self.rows(("hello", "x")), "--metric", "bleu")["variants"][0]["score"]["value"], 0)

    def test_agreement_is_that_of_the_wanted_tokens(self):
        report = self.report(self.rows(("hello", "abcdef"), ("hello", "xyz")), "--metric", "rouge1")
        self.assertEqual(report["variants"][1]["tokens"]["tokens"], 9)
        self.assertEqual(report["variants"][1]["positions"], 9)
        self.assertGreater(report["variants"][1]["kl_mean"], 0)

    def test_common_names_of_columns(self):
        for prompt, wanted in (("text", "target"), ("article", "highlights"), ("instruction", "output")):
            self.assertEqual(self.report(self.rows(("a", "b"), prompt=prompt, wanted=wanted), "--metric", "rouge1")["samples"], 1)
        report = self.report(self.rows(("a", "b"), prompt="p", wanted="w"), "--metric", "rouge1", "--columns", "text=p,answers=w")
        self.assertEqual(report["samples"], 1)

    def test_prompts_go_through_the_chat_template(self):
        bundle = convert(self.checkpoint, self.folder / "chat", "fp32")
        # A letter behind the prompt that changes the answer to other words.
        letter, same = next((x, text) for x in "abcdefghijk" if re.search("[a-z]", text := self.written("hello" + x)) and text != self.written("hello"))
        put(bundle / "chat_template.jinja", b"{% for m in messages %}{{ m.content }}" + letter.encode() + b"{% endfor %}")
        plain = self.report(self.rows(("hello", same)), "--metric", "rougeL", "--max-new-tokens", "16", bundle=bundle)
        chat = self.report(self.rows(("hello", same)), "--metric", "rougeL", "--max-new-tokens", "16", "--chat", bundle=bundle)
        self.assertEqual(chat["variants"][0]["score"]["value"], 1)
        self.assertLess(plain["variants"][0]["score"]["value"], 1)

    def test_bleu_of_trained_models(self):
        golden = [g for g in json.loads((TESTDATA / "greedy-golden.json").read_text()) if "tinystories" in g["source"] and g["prompt"]]
        if not shared(golden[0]["source"]).exists():
            print("left out: no shared models here")
            return
        bundle = convert(shared(golden[0]["source"]), self.folder / "stories", "fp32")
        data = self.rows(*((g["prompt"], g["text"]) for g in golden))
        report = self.report(data, "--metric", "bleu", "--max-new-tokens", "200", bundle=bundle)
        self.assertAlmostEqual(report["variants"][0]["score"]["value"], 100, places=9)

    def test_what_cannot_be_judged(self):
        self.refused(self.rows(("hello", "x")), "--metric", "meteor", code=2, parts=["meteor", "rougeL", "bleu"])
        self.refused(self.write("rows.jsonl", '{"prompt": "x"}\n'), "--metric", "rouge1", parts=["answers=COLUMN"])
        self.refused(self.rows(("hello", ["a", "b"])), "--metric", "rouge1", parts=["rows.jsonl:1", "2 wanted texts"])
        self.refused(self.rows(("ok", "x"), ("a" * 64, "x")), "--metric", "rouge1", parts=["rows.jsonl:2", "64 tokens"])
        self.refused(self.rows(("hello", "x")), "--metric", "rouge1", "--chat", parts=["no chat template"])
        self.refused(self.write("one.txt", "word"), "--stride", "100", "--max-length", "24", code=2, parts=["--stride 100"])


if __name__ == "__main__":
    unittest.main()
