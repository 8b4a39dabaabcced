#!/usr/bin/env python3
"""`bantam evaluate` and `convert --evaluate` from outside: every task, gates, reports, and what is refused."""
import hashlib
import json
import pathlib
import struct
import tempfile
import unittest
import xml.etree.ElementTree

from bantam_cli import ROOT, run

MODEL = ROOT / "testdata/sst2-bert-tiny"
FIXTURES = ROOT / "testdata/fixtures"
SENTENCES = "sentence\tlabel\na warm , funny film\t1\nan utter waste of time\t0\nnot bad at all\t1\ndull and lifeless\t0\nbrilliant\t1\n"


def write_safetensors(path, tensors):
    """name -> (shape, floats)."""
    entries, data = {}, b""
    for name, (shape, values) in tensors.items():
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += struct.pack(f"<{len(values)}f", *values)
    head = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


class Evaluate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.data = cls.folder / "dev.tsv"
        cls.data.write_text(SENTENCES)
        cls.bundle = cls.convert(MODEL)

    @classmethod
    def convert(cls, source, dtypes="fp32,q8,q4"):
        out = pathlib.Path(tempfile.mkdtemp(dir=cls.folder)) / "bundle"
        result = run("convert", source, "-o", out, "-q", "-d", dtypes)
        assert result.returncode == 0, result.stderr
        return out

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def report(self, *arguments, bundle=None, data=None, code=0):
        result = run("evaluate", bundle or self.bundle, "--data", data or self.data, "--json", "-q", *arguments)
        self.assertEqual((result.returncode, result.stderr), (code, ""))
        return json.loads(result.stdout)


class Tasks(Evaluate):
    def test_classes(self):
        report = self.report("--reference", MODEL)
        self.assertEqual((report["metric"], report["samples"], report["task"]), ("accuracy", 5, "text-classification"))
        self.assertEqual([v["dtype"] for v in report["variants"]], ["fp32", "q8", "q4"])
        fp32, q8, q4 = report["variants"]
        self.assertEqual((fp32["kl_mean"], fp32["top1_agreement"], fp32["retention"]["value"]), (0, 1, 1))
        self.assertGreater(q4["kl_mean"], 0)
        self.assertGreater(fp32["bytes"], q8["bytes"])
        self.assertIn("padded_max_abs", q8)
        self.assertNotIn("padded_max_abs", q4)
        for metric in ("f1", "f1-macro", "matthews"):
            self.assertEqual(self.report("--metric", metric)["metric"], metric)

    def test_layers_are_those_of_the_float_graph(self):
        fp32, q8, q4 = self.report("--reference", MODEL)["variants"]
        names = [layer["name"] for layer in fp32["layers"]]
        self.assertGreater(len(names), 20)
        self.assertTrue(all(layer["sqnr_db"] == 200 for layer in fp32["layers"]))
        for variant in (q8, q4):
            self.assertEqual([layer["name"] for layer in variant["layers"]], names)
            self.assertTrue(all(5 < layer["sqnr_db"] < 100 for layer in variant["layers"]), variant["layers"])
        self.assertEqual(self.report("--layers", "0")["variants"][1]["layers"], [])

    def test_texts_without_labels(self):
        report = self.report(data=self.write("texts.txt", "one text\nanother text\n"))
        self.assertEqual((report["metric"], report["samples"]), ("", 2))
        self.assertNotIn("score", report["variants"][0])
        self.assertIn("own fp32", report["reference"])
        self.assertGreater(report["variants"][2]["kl_mean"], 0)

    def test_entities(self):
        source = FIXTURES / "bert-token-classification-tokenizer"
        bundle = self.convert(source)
        data = self.write("tags.conll", "the neutral\ncat O\n\na B-neutral\ndog I-neutral\nbarks O\n")
        report = self.report("--reference", source, bundle=bundle, data=data)
        self.assertEqual((report["metric"], report["samples"]), ("f1", 2))
        self.assertGreater(report["variants"][0]["positions"], 5)  # tokens
        self.assertEqual(self.report(bundle=bundle, data=self.write("plain.txt", "a dog barks\n"))["metric"], "")

    def test_answers(self):
        source = FIXTURES / "distilbert-question-answering-tokenizer"
        bundle = self.convert(source)
        data = self.write("qa.jsonl", "".join(json.dumps(row) + "\n" for row in (
            {"question": "what is it?", "context": "it is a cat and it sleeps", "answers": ["a cat"]},
            {"question": "where?", "context": "here " * 300 + "there", "answers": ["there"]})))
        report = self.report("--reference", source, bundle=bundle, data=data)
        self.assertEqual((report["metric"], report["samples"]), ("f1", 2))
        self.assertGreater(report["variants"][0]["positions"], 4)  # the long context has several spans
        self.assertEqual(self.report("--metric", "exact-match", bundle=bundle, data=data)["metric"], "exact-match")

    def test_hidden_words(self):
        source = FIXTURES / "bert-fill-mask-tokenizer"
        bundle = self.convert(source)
        data = self.write("lines.txt", "a first line of text\na second one\n")
        report = self.report("--reference", source, bundle=bundle, data=data)
        self.assertEqual((report["metric"], report["samples"], report["variants"][0]["positions"]), ("accuracy", 2, 2))
        other = self.report("--seed", "5", bundle=bundle, data=data)
        self.assertNotEqual(report["variants"][2]["kl"], other["variants"][2]["kl"])  # other words are hidden

    def test_embeddings(self):
        source = FIXTURES / "bert-feature-extraction-sentence-mean"
        bundle = self.convert(source)
        data = self.write("pairs.csv", "sentence1,sentence2,score\na cat,a dog,3\na cat,a cat,5\na house,dogs bark,0.5\nsun,rain,1\n")
        report = self.report("--reference", source, bundle=bundle, data=data)
        self.assertEqual((report["metric"], report["variants"][0]["positions"]), ("spearman", 8))
        ranking = self.write("ranking.csv", "query_id,query,document,relevance\n1,a cat,cats,1\n1,a cat,a house,0\n2,sun,rain,0\n2,sun,the sun,2\n")
        for metric in ("ndcg@10", "mrr@10"):
            score = self.report("--metric", metric, bundle=bundle, data=ranking)["reference_score"]["value"]
            self.assertTrue(0.5 <= score <= 1, score)  # two documents per query: never worse than the second place
        self.assertEqual(self.report(bundle=bundle, data=self.write("alone.txt", "one text\n"))["metric"], "")

    def test_regression_models(self):
        source = FIXTURES / "bert-text-classification-1"
        bundle = self.convert(source)
        tokenizer = (FIXTURES / "bert-text-classification-tokenizer/tokenizer.json").read_bytes()
        (bundle / "tokenizer.json").write_bytes(tokenizer)
        data = self.write("rated.csv", "sentence1,sentence2,score\na cat,a dog,3\na cat,a cat,5\na house,dogs bark,0.5\n")
        result = run("evaluate", bundle, "--data", data, "--json", "-q")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["metric"], "spearman")


class Reference(Evaluate):
    def test_recorded_outputs_take_the_place_of_the_float_run(self):
        # Every text is said to be positive.
        recorded = self.folder / "recorded.safetensors"
        write_safetensors(recorded, {"logits": ([5, 2], [-1, 1] * 5)})
        report = self.report("--reference-outputs", recorded)
        self.assertEqual(report["reference_score"]["value"], 0.6)
        self.assertIn("recorded.safetensors", report["reference"])
        self.assertGreater(report["variants"][0]["kl_mean"], 0)
        apart = self.folder / "apart.safetensors"
        write_safetensors(apart, {f"logits.{i}": ([1, 2], [-1, 1]) for i in range(5)})
        again = self.report("--reference-outputs", apart)
        self.assertEqual(again["variants"][0]["kl"], report["variants"][0]["kl"])

    def test_recorded_outputs_that_do_not_fit(self):
        recorded = self.folder / "wrong.safetensors"
        for tensors, said in (({"logits": ([4, 2], [0] * 8)}, "4 sequences where more"),
                              ({"logits": ([5, 3], [0] * 15)}, "shape [5, 3] where"),
                              ({"scores": ([5, 2], [0] * 10)}, '"logits"'),
                              ({"logits.0": ([2], [0, 1])}, '"logits.1"')):
            write_safetensors(recorded, tensors)
            result = run("evaluate", self.bundle, "--data", self.data, "-q", "--reference-outputs", recorded)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn(said, result.stderr)

    def test_another_checkpoint_is_noticed(self):
        result = run("evaluate", self.bundle, "--data", self.data, "-q", "--reference", FIXTURES / "bert-text-classification-3")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_without_fp32_a_checkpoint_is_needed(self):
        bundle = self.convert(MODEL, "q8")
        result = run("evaluate", bundle, "--data", self.data, "-q")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--reference", result.stderr)
        self.assertEqual(len(self.report("--reference", MODEL, bundle=bundle)["variants"]), 1)


class Gates(Evaluate):
    def test_exit_code_and_verdicts(self):
        junit = self.folder / "gates.xml"
        report = self.report("--max-bytes", "2MiB", "--max-kl", "1", "--junit", junit, code=3)
        verdicts = {(gate["name"], gate["dtype"]): gate["verdict"] for gate in report["gates"]}
        self.assertEqual(verdicts["--max-bytes", "fp32"], "missed")
        self.assertEqual(verdicts["--max-bytes", "q4"], "passed")
        self.assertEqual(verdicts["--max-kl", "q4"], "passed")
        suite = xml.etree.ElementTree.parse(junit).getroot()
        self.assertEqual((suite.tag, suite.get("tests"), suite.get("failures")), ("testsuite", "6", "1"))
        self.report("--max-bytes", "100MiB")

    def test_broken_variants_have_no_score(self):
        bundle = self.convert(MODEL)
        shard = bundle / "onnx/model_q4.onnx_data"
        shard.write_bytes(b"\xff" * shard.stat().st_size)  # scales become NaN
        report = self.report("--reference", MODEL, "--min-retention", "0.1", bundle=bundle, code=3)
        fp32, q8, q4 = report["variants"]
        self.assertEqual((fp32["first_nonfinite"], q8["first_nonfinite"]), ("", ""))
        self.assertTrue(q4["first_nonfinite"].startswith("/"), q4["first_nonfinite"])
        self.assertNotIn("score", q4)
        self.assertIsNone(q4["kl_mean"])
        self.assertEqual({(gate["name"], gate["verdict"]) for gate in report["gates"] if gate["dtype"] == "q4"},
                         {("--min-retention", "missed"), ("finite", "missed")})

    def test_compare_reads_the_reports(self):
        old, new = self.folder / "old", self.folder / "new"
        self.report("--report", old)
        self.report("--report", new, "--limit", "4")
        for folder in (old, new):
            self.assertEqual({path.name for path in folder.iterdir()}, {"report.json", "report.md", "report.html"})
        result = run("compare", old, new)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("q8", result.stdout)
        self.report("--report", old)  # an older report is replaced


class ConvertAndJudge(Evaluate):
    def test_the_report_is_part_of_the_bundle(self):
        out = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "judged"
        result = run("convert", MODEL, "-o", out, "-q", "-d", "fp32,q8", "--evaluate", self.data, "--min-retention", "0.1")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads((out / "report.json").read_text())
        self.assertEqual((report["model"], report["gates"][0]["verdict"]), ("judged", "passed"))
        self.assertIn("retention", (out / "README.md").read_text())
        sums = dict(reversed(line.split("  ", 1)) for line in (out / "SHA256SUMS").read_text().splitlines())
        listed = {entry["name"]: entry for entry in json.loads((out / "bantam.json").read_text())["files"]}
        for name in ("report.json", "report.md", "report.html", "README.md"):
            content = (out / name).read_bytes()
            self.assertEqual(sums[name], hashlib.sha256(content).hexdigest(), name)
            self.assertEqual(listed[name]["bytes"], len(content), name)
        # The weights are those of a bundle that was not judged.
        self.assertEqual((out / "onnx/model_quantized.onnx").read_bytes(), (self.bundle / "onnx/model_quantized.onnx").read_bytes())

    def test_a_missed_gate_leaves_the_bundle_and_says_so(self):
        out = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "missed"
        result = run("convert", MODEL, "-o", out, "-q", "-d", "fp32", "--evaluate", self.data, "--max-bytes", "1KiB")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("MISSED", result.stdout)
        self.assertTrue((out / "report.html").exists())

    def test_data_that_cannot_be_read_leave_no_bundle(self):
        parent = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        result = run("convert", MODEL, "-o", parent / "out", "-q", "--evaluate", self.write("empty.tsv", ""))
        self.assertEqual(result.returncode, 1)
        self.assertIn("empty.tsv", result.stderr)
        self.assertEqual(list(parent.iterdir()), [])
        result = run("convert", MODEL, "-o", parent / "out", "-q", "--max-kl", "1")
        self.assertEqual(result.returncode, 2)


class BadInput(Evaluate):
    def refused(self, *parts, code=1, bundle=None, data=None, more=()):
        result = run("evaluate", bundle or self.bundle, "--data", data or self.data, "-q", *more)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for part in parts:
            self.assertIn(str(part), result.stderr)

    def test_data(self):
        self.refused("labels.tsv:3", "maybe", data=self.write("labels.tsv", "sentence\tlabel\nfine\t1\nso so\tmaybe\n"))
        self.refused("broken.jsonl:2", data=self.write("broken.jsonl", '{"text": "a", "label": 1}\n{"text": \n'))
        self.refused("columns.csv", "stars", data=self.write("columns.csv", "remark,stars\nfine,1\n"))
        self.refused("nothing.txt", data=self.write("nothing.txt", ""))
        self.refused("missing.tsv", data=self.folder / "missing.tsv")
        self.refused("--columns", code=2, more=["--columns", "text"])

    def test_columns_and_labels_can_be_named(self):
        data = self.write("named.csv", "review,stars\nfine,good\nawful,bad\n")
        report = self.report("--columns", "text=review,label=stars", "--labels", "good=POSITIVE,bad=NEGATIVE", data=data)
        self.assertEqual(report["metric"], "accuracy")

    def test_what_is_not_there(self):
        self.refused("fp32, q8, q4", more=["-d", "int8"])
        self.refused("spearman", "accuracy", code=2, more=["--metric", "spearman"])
        self.refused("not a bundle", bundle=MODEL)
        self.refused("nowhere", bundle=self.folder / "nowhere")
        self.refused(code=2, more=["--task", "translation"])

    def test_tokenizers(self):
        for name, content in (("none", None), ("nonsense", "{}"), ("cut", (MODEL / "tokenizer.json").read_text()[:5000])):
            bundle = self.convert(MODEL, "fp32")
            (bundle / "tokenizer.json").unlink()
            if content is not None:
                (bundle / "tokenizer.json").write_text(content)
                manifest = json.loads((bundle / "bantam.json").read_text())
                for entry in manifest["files"]:
                    if entry["name"] == "tokenizer.json":
                        entry["bytes"] = len(content)
                (bundle / "bantam.json").write_text(json.dumps(manifest))
            with self.subTest(name):
                self.refused("tokenizer.json", bundle=bundle)

    def test_reports_of_another_version(self):
        folder = self.folder / "versions"
        self.report("--report", folder)
        text = (folder / "report.json").read_text()
        (folder / "report.json").write_text(text.replace('"schema_version": 1', '"schema_version": 2'))
        result = run("compare", folder, folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("schema version 2", result.stderr)


if __name__ == "__main__":
    unittest.main()
