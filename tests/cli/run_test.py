#!/usr/bin/env python3
"""`bantam run`: its answers are those that transformers' pipelines gave for the same checkpoints, tensors go in and
come out by name, and what cannot be run is refused in one line."""
import functools
import json
import math
import os
import pathlib
import struct
import tempfile
import unittest

from bantam_cli import ROOT, run

TESTDATA = ROOT / "testdata"
SHARED = pathlib.Path(os.environ.get("BANTAM_SHARED", ROOT / "../shared"))
DEMO = json.loads((TESTDATA / "sst2-bert-tiny-golden.json").read_text())
PIPELINES = json.loads((TESTDATA / "pipelines-golden.json").read_text())["tasks"]
TOLERANCE = 1e-5  # goldens hold seven digits of float32
BUNDLES = tempfile.TemporaryDirectory()


@functools.lru_cache(maxsize=None)
def bundle(source):
    """The checkpoint as a bundle of three variants, made once."""
    source = (SHARED / source.removeprefix("shared/")) if source.startswith("shared/") else TESTDATA / source
    path = pathlib.Path(BUNDLES.name) / source.name
    result = run("convert", source, "-o", path, "--dtype", "fp32,q8,q4", "-q")
    assert result.returncode == 0, result.stderr
    return path


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[8 + size:][slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def floats(entry):
    return struct.unpack(f"<{len(entry[2]) // 4}f", entry[2])


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def answers(self, source, *more, dtype="fp32", **options):
        result = run("run", bundle(source), "--dtype", dtype, "--json", *more, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["answers"]

    def near(self, actual, expected):
        self.assertAlmostEqual(actual, expected, delta=TOLERANCE)

    def refused(self, *arguments, parts, code=1, **options):
        result = run("run", *arguments, **options)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("bantam: "))
        for part in parts:
            self.assertIn(part, result.stderr)


class Demo(Case):
    CASES = [case for case in DEMO["cases"] if "\n" not in case["text"]]

    def ask(self, dtype):
        texts = "".join(case["text"] + "\n" for case in self.CASES)
        return self.answers("sst2-bert-tiny", "--text-file", "-", "--top", "2", dtype=dtype, input=texts)

    def test_labels_and_scores_are_those_of_pytorch(self):
        found = self.ask("fp32")
        self.assertEqual(len(found), len(self.CASES))
        self.assertGreater(len(found), 40)
        for answer, case in zip(found, self.CASES):
            with self.subTest(case["text"][:40]):
                self.assertEqual(answer["text"], case["text"])
                scores = sorted(case["scores"].items(), key=lambda item: -item[1])
                self.assertEqual([label["label"] for label in answer["labels"]], [name for name, _ in scores])
                for label in answer["labels"]:
                    self.near(label["score"], case["scores"][label["label"]])

    def test_quantized_variants_stay_near(self):
        for dtype, allowed in (("q8", 0.05), ("q4", 0.15)):
            for answer, case in zip(self.ask(dtype), self.CASES):
                with self.subTest(dtype=dtype, text=case["text"][:40]):
                    for label in answer["labels"]:
                        self.assertAlmostEqual(label["score"], case["scores"][label["label"]], delta=allowed)

    def test_a_long_text_is_cut_and_the_user_is_told(self):
        long = "fine " * 300
        result = run("run", bundle("sst2-bert-tiny"), "--text", long)
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, r"\Abantam: note: --text: the last \d+ tokens do not fit")
        answer = self.answers("sst2-bert-tiny", "--text", long)[0]
        self.assertEqual(answer["tokens"], 128)
        self.assertEqual(answer["tokens"] + answer["cut_tokens"], 302)

    def test_the_default_is_one_label_of_the_default_variant(self):
        result = run("run", bundle("sst2-bert-tiny"), "--text", "brilliant")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\Alabel +score\n-+  -+\nPOSITIVE  0\.9\d+\n\Z")
        result = json.loads(run("run", bundle("sst2-bert-tiny"), "--text", "brilliant", "--json").stdout)
        self.assertEqual(result["dtype"], "q8")

    def test_texts_keep_their_order_and_may_be_anything(self):
        texts = ["", "-5 degrees", "a,b", "--json", "\U0001f600 na\u00efve", "\x1b[2J"]
        found = self.answers("sst2-bert-tiny", *[f"--text={text}" for text in texts])
        self.assertEqual([answer["text"] for answer in found], texts)
        shown = run("run", bundle("sst2-bert-tiny"), *[f"--text={text}" for text in texts]).stdout
        self.assertNotIn("\x1b", shown)
        (self.folder / "lines").write_bytes(b"one\r\n\nthree")
        found = self.answers("sst2-bert-tiny", "--text-file", self.folder / "lines")
        self.assertEqual([answer["text"] for answer in found], ["one", "", "three"])


class Pipelines(Case):
    """Every checkpoint of testdata/pipelines-golden.json."""

    def golden(self, task, least):
        found = []
        for entry in PIPELINES:
            if entry["task"] != task:
                continue
            if entry["source"].startswith("shared/") and not (SHARED / "models").exists():
                print(f"left out: {entry['source']} is not here")
                continue
            found.append((entry["source"], entry["cases"]))
        self.assertGreaterEqual(len(found), least)
        return found

    def texts(self, source, cases, *more):
        found = self.answers(source, *[f"--text={case['text']}" for case in cases], *more)
        self.assertEqual(len(found), len(cases))
        return zip(found, cases)

    def test_text_classification(self):
        for source, cases in self.golden("text-classification", 2):
            for answer, case in self.texts(source, cases, "--top", "9"):
                self.assertEqual({label["label"] for label in answer["labels"]}, set(case["scores"]))
                for label in answer["labels"]:
                    self.near(label["score"], case["scores"][label["label"]])

    def test_token_classification(self):
        for source, cases in self.golden("token-classification", 2):
            for answer, case in self.texts(source, cases):
                self.assertEqual(answer["tokens"], len(case["input_ids"]))
                keys = ("entity_group", "start", "end")
                self.assertEqual([[entity[key] for key in keys] for entity in answer["entities"]],
                                 [[entity[key] for key in keys] for entity in case["entities"]])
                for entity, expected in zip(answer["entities"], case["entities"]):
                    self.near(entity["score"], expected["score"])
                    self.assertEqual(entity["word"], case["text"][entity["start"]:entity["end"]])

    def test_fill_mask(self):
        for source, cases in self.golden("fill-mask", 1):
            for answer, case in self.texts(source, cases):
                self.assertEqual(len(answer["masks"]), 1)
                keys = ("token", "token_str", "sequence")
                self.assertEqual([[filling[key] for key in keys] for filling in answer["masks"][0]],
                                 [[filling[key] for key in keys] for filling in case["fillings"]])
                for filling, expected in zip(answer["masks"][0], case["fillings"]):
                    self.near(filling["score"], expected["score"])
            several = self.answers(source, "--text", "[MASK] film is [MASK]", "--top", "3")[0]["masks"]
            self.assertEqual([len(fillings) for fillings in several], [3, 3])

    def test_feature_extraction(self):
        for source, cases in self.golden("feature-extraction", 2):
            for answer, case in self.texts(source, cases):
                self.assertEqual(len(answer["embedding"]), len(case["embedding"]))
                # The goldens have length 1; the models only where modules.json asks for it.
                norm = math.hypot(*answer["embedding"])
                if "Normalize" in (bundle(source) / "modules.json").read_text():
                    self.near(norm, 1)
                for actual, expected in zip(answer["embedding"], case["embedding"]):
                    self.near(actual / norm, expected)

    def test_question_answering(self):
        for source, cases in self.golden("question-answering", 2):
            words = json.loads((bundle(source) / "tokenizer.json").read_text())["model"]["vocab"]
            separator = words["[SEP]"]
            for case in cases:
                answer = self.answers(source, "--question", case["question"], "--context", case["context"])[0]
                # The best product of probabilities over the context's tokens (and [CLS], which is no answer), from
                # PyTorch's logits; these contexts have no word of several tokens that an answer would grow to.
                ids = case["input_ids"]
                first = ids.index(separator) + 1
                places = [0, *range(first, len(ids) - 1)]
                self.assertNotIn(True, [token.startswith("##") for token, i in words.items() if i in ids[first:]])

                def probabilities(logits):
                    exp = [math.exp(logits[place]) for place in places]
                    return dict(zip(places, (value / sum(exp) for value in exp)))

                start, end = probabilities(case["start_logits"]), probabilities(case["end_logits"])
                best = max((start[a] * end[b], a, b) for a in places[1:] for b in places[1:] if a <= b < a + 15)
                names = {i: token for token, i in words.items()}
                said = [names[i] for i in ids[best[1]:best[2] + 1]]
                self.near(answer["score"], best[0])
                self.assertEqual(answer["answer"].lower().replace(".", " .").replace("?", " ?").split(),
                                 [word.lower() for word in said])
                self.assertEqual(answer["answer"], case["context"][answer["start"]:answer["end"]])
            both = self.answers(source, *[f"--question={case['question']}" for case in cases],
                                "--context", cases[0]["context"])
            self.assertEqual(len(both), 2)
            self.assertEqual(both[0]["answer"], self.answers(
                source, "--question", cases[0]["question"], "--context", cases[0]["context"])[0]["answer"])


class Tensors(Case):
    SOURCE = "fixtures/bert-question-answering"

    def setUp(self):
        super().setUp()
        golden = read_safetensors(TESTDATA / self.SOURCE / "golden.safetensors")
        self.inputs = {name.removeprefix("case0.input."): entry for name, entry in golden.items() if ".input." in name and
                       name.startswith("case0.")}
        self.expected = {name.removeprefix("case0.output."): entry for name, entry in golden.items()
                         if name.startswith("case0.output.")}
        self.file, self.saved = self.folder / "in.safetensors", self.folder / "out.safetensors"
        write_safetensors(self.file, self.inputs)

    def run_tensors(self, *arguments):
        result = run("run", *arguments, "--inputs", self.file, "--outputs", self.saved, "--force", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout), read_safetensors(self.saved)

    def test_what_comes_out_is_what_pytorch_computed(self):
        self.assertGreaterEqual(len(self.expected), 2)
        for model in ((bundle(self.SOURCE), "--dtype", "fp32"), (bundle(self.SOURCE) / "onnx/model.onnx",)):
            described, outputs = self.run_tensors(*model)
            self.assertEqual(set(outputs), set(self.expected))
            self.assertEqual(described["dtype"], "fp32" if len(model) > 1 else None)
            for entry in described["outputs"]:
                self.assertEqual((entry["dtype"], entry["shape"]), ("float32", outputs[entry["name"]][1]))
            for name, entry in self.expected.items():
                self.assertEqual(outputs[name][:2], entry[:2])
                largest = max(map(abs, floats(entry)))
                for actual, expected in zip(floats(outputs[name]), floats(entry)):
                    self.assertAlmostEqual(actual, expected, delta=2e-5 * largest)

    def test_the_file_is_safetensors_to_the_package_of_that_name(self):
        self.run_tensors(bundle(self.SOURCE), "--dtype", "q8")
        try:
            from safetensors.numpy import load_file
        except ImportError:
            print("left out: no Python package safetensors")
            return
        loaded = load_file(self.saved)
        for name, entry in read_safetensors(self.saved).items():
            self.assertEqual(loaded[name].tobytes(), entry[2])
            self.assertEqual(list(loaded[name].shape), entry[1])

    def test_emulated_browsers_compute_differently_but_near(self):
        ids = [2, *range(40, 70), 3]
        write_safetensors(self.file, {name: ("I64", [1, len(ids)], struct.pack(f"<{len(ids)}q", *values)) for name, values in
                                      (("input_ids", ids), ("attention_mask", [1] * len(ids)), ("token_type_ids", [0] * len(ids)))})

        def logits(*flags):
            return floats(self.run_tensors(bundle("sst2-bert-tiny"), *flags)[1]["logits"])

        plain = {dtype: logits("--dtype", dtype) for dtype in ("fp32", "q4")}
        changed = 0
        for flags in (("--dtype", "fp32", "--emulate-fp16"), ("--dtype", "q4", "--nbits", "int8"),
                      ("--dtype", "q4", "--nbits", "float")):
            with self.subTest(flags):
                emulated, exact = logits(*flags), plain[flags[1]]
                changed += emulated != exact
                scale = max(map(abs, exact))
                self.assertLess(max(abs(a - b) for a, b in zip(emulated, exact)), 0.05 * scale)
        self.assertEqual(changed, 2, "the nodes declare one of the two ways to multiply 4-bit weights")
        self.assertEqual(logits("--dtype", "q4", "--nbits", "declared"), plain["q4"])

    def test_existing_outputs_are_kept_without_force(self):
        self.saved.write_text("mine")
        self.refused(bundle(self.SOURCE), "--inputs", self.file, "--outputs", self.saved,
                     parts=["out.safetensors", "exists", "--force"])
        self.assertEqual(self.saved.read_text(), "mine")
        self.run_tensors(bundle(self.SOURCE))
        self.assertEqual(sorted(os.listdir(self.folder)), ["in.safetensors", "out.safetensors"])

    def test_wrong_tensors_are_named_and_nothing_is_left_behind(self):
        ids = self.inputs["input_ids"]
        count = ids[1][0] * ids[1][1]
        cases = [
            ({"input_idz": ids}, ["\"input_idz\"", "it reads", "\"input_ids\" int64 ["]),
            ({"input_ids": None}, ["in.safetensors", "holds no", "\"input_ids\""]),
            ({"input_ids": ("I32", ids[1], bytes(4 * count))}, ["input_ids", "int32 where int64"]),
            ({"input_ids": ("I64", [count], ids[2])}, ["input_ids", f"shape [{count}]"]),
            ({"input_ids": ("I64", ids[1], struct.pack("<q", 1 << 40) * count)}, ["in.safetensors", "Gather"]),
        ]
        for change, parts in cases:
            with self.subTest(parts):
                tensors = self.inputs | change
                write_safetensors(self.file, {name: entry for name, entry in tensors.items() if entry})
                self.refused(bundle(self.SOURCE), "--inputs", self.file, "--outputs", self.saved, parts=parts)
        self.file.write_bytes(self.file.read_bytes()[:-1])
        self.refused(bundle(self.SOURCE), "--inputs", self.file, "--outputs", self.saved, parts=["in.safetensors"])
        self.refused(bundle(self.SOURCE), "--inputs", self.file, "--outputs", self.folder / "absent/out",
                     parts=["absent", "create it first"])
        self.refused(bundle(self.SOURCE), "--inputs", self.folder / "none", parts=["none: cannot open"])
        self.assertEqual(os.listdir(self.folder), ["in.safetensors"])


class Profile(Case):
    def test_times_are_by_op_and_add_up(self):
        path = bundle("sst2-bert-tiny")
        result = json.loads(run("run", path, "--dtype", "q4", "--text", "fine", "--profile", "--json").stdout)
        self.assertIn("MatMulNBits", [time["op"] for time in result["profile"]])
        self.assertAlmostEqual(sum(time["share"] for time in result["profile"]), 1, delta=1e-6)
        times = [time["ms"] for time in result["profile"]]
        self.assertEqual(times, sorted(times, reverse=True))
        shown = run("run", path, "--dtype", "q4", "--text", "fine", "--profile").stdout
        self.assertRegex(shown, r"\nop +calls +ms +share\n")
        self.assertRegex(shown, r"\nMatMulNBits +\d+ +\d+\.\d+ +\d+\.\d %\n")


class Refused(Case):
    DEMO = "sst2-bert-tiny"

    def test_no_text_or_one_that_the_task_does_not_take(self):
        demo, answers = bundle(self.DEMO), bundle("fixtures/distilbert-question-answering-tokenizer")
        self.refused(demo, code=2, parts=["no text", "text-classification takes --text TEXT (and --pair"])
        self.refused(answers, code=2, parts=["no text", "--question TEXT and --context TEXT"])
        self.refused(answers, "--text", "x", code=2, parts=["--text", "--question TEXT and --context TEXT"])
        self.refused(answers, "--question", "x", code=2, parts=["--context is missing"])
        self.refused(demo, "--question", "x", code=2, parts=["--question", "takes --text"])
        self.refused(demo, "--text", "x", "--text", "y", "--text", "z", "--pair", "a", "--pair", "b", code=2,
                     parts=["2 times for 3 texts"])
        self.refused(demo, "--text", "x", "--text-file", "y", code=2, parts=["not both"])
        self.refused(answers, "--question", "x", "--context", "y", "--top", "2", code=2, parts=["--top"])
        self.refused(demo, "--text-file", "-", input="", parts=["standard input", "empty"])
        self.refused(demo, "--text-file", self.folder / "none", parts=["none: cannot open"])

    def test_pairs_are_read_as_pairs(self):
        alone = self.answers(self.DEMO, "--text", "a fine film")[0]
        pair = self.answers(self.DEMO, "--text", "a fine film", "--pair", "so good")[0]
        self.assertEqual((alone["pair"], pair["pair"]), (None, "so good"))
        self.assertGreater(pair["tokens"], alone["tokens"] + 2)

    def test_options_that_do_not_go_together(self):
        demo, graph = bundle(self.DEMO), bundle(self.DEMO) / "onnx/model.onnx"
        self.refused(demo, "--inputs", "x", "--text", "y", code=2, parts=["not both"])
        self.refused(demo, "--outputs", "x", "--text", "y", code=2, parts=["--outputs", "--inputs"])
        self.refused(graph, "--text", "y", code=2, parts=["no tokenizer", "--inputs"])
        self.refused(graph, "--inputs", "y", "--dtype", "q8", code=2, parts=["--dtype"])
        self.refused(demo, "--text", "y", "--nbits", "int4", code=2, parts=["'int4' is not one of declared, float, int8"])
        self.refused(demo, "--text", "y", "--top", "0", code=2, parts=["--top"])
        self.refused(demo, "--text", "y", "--threads", "0", code=2, parts=["--threads"])

    def test_what_is_no_bundle(self):
        self.refused(TESTDATA / self.DEMO, "--text", "x", parts=["is not a bundle", "bantam convert"])
        self.refused(self.folder / "none", "--text", "x", parts=["none"])
        self.refused(bundle(self.DEMO), "--text", "x", "--dtype", "q3", parts=["\"q3\"", "fp32, q8, q4"])
        self.refused(bundle("fixtures/bert-question-answering"), "--question", "x", "--context", "y",
                     parts=["tokenizer.json", "--inputs"])
        (self.folder / "broken.onnx").write_bytes(b"no graph")
        (self.folder / "in").write_bytes(b"")
        self.refused(self.folder / "broken.onnx", "--inputs", self.folder / "in", parts=["broken.onnx"])

    def test_text_that_is_not_utf8(self):
        self.refused(bundle(self.DEMO), b"--text=\xff", parts=["--text", "UTF-8"])
        (self.folder / "lines").write_bytes(b"fine\n\xff\n")
        self.refused(bundle(self.DEMO), "--text-file", self.folder / "lines", "-q", parts=["lines:2", "UTF-8"])
        self.refused(bundle("fixtures/bert-fill-mask-tokenizer"), "--text", "nothing to fill", parts=["[MASK]"])


if __name__ == "__main__":
    unittest.main()
