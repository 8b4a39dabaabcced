#!/usr/bin/env python3
"""`--binding-limit`: bundles whose vocabulary tables are split compute in onnxruntime what whole ones compute, in every dtype;
tied tables stay stored once, no tensor exceeds the limit, and an id that no row has stays an error."""
import functools
import json
import pathlib
import shutil
import struct
import sys
import tempfile
import unittest

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from bantam_cli import run  # noqa: E402
from bundle_edits import FIXTURES, convert  # noqa: E402

LIMIT = 8192
ROWS = 300  # of the vocabulary, so that slices are not too small to be quantized
SOURCES = tempfile.TemporaryDirectory()
DTYPES = ["fp32", "fp16", "q8", "int8", "uint8", "q4", "q4f16"]
MODELS = ["bert-fill-mask", "bert-fill-mask-untied", "bert-feature-extraction", "albert-fill-mask", "llama-text-generation",
          "llama-text-generation-untied-biases", "gemma3_text-text-generation-v4-biases-untied", "phi-text-generation", "gpt2-text-generation"]


@functools.lru_cache(maxsize=None)
def source(model):
    """The fixture with a vocabulary of ROWS, its further rows drawn from those it has."""
    folder = pathlib.Path(SOURCES.name) / model
    shutil.copytree(FIXTURES / model, folder)
    config = json.loads((folder / "config.json").read_text())
    vocabulary, config["vocab_size"] = config["vocab_size"], ROWS
    (folder / "config.json").write_text(json.dumps(config))
    data = (folder / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, body, made = json.loads(data[8:8 + size]), b"", {}
    generator = np.random.default_rng(3)
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] == "BOOL":  # a mask that old GPT-2 files hold
            raw = data[8 + size:][slice(*entry["data_offsets"])]
            made[name] = dict(entry, data_offsets=[len(body), len(body) + len(raw)])
            body += raw
            continue
        assert entry["dtype"] == "F32", name
        values = np.frombuffer(data[8 + size:][slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        if values.ndim and values.shape[0] == vocabulary:
            more = values[generator.integers(0, vocabulary, ROWS - vocabulary)]
            values = np.concatenate([values, more * generator.uniform(0.5, 1.5, more.shape).astype(np.float32)])
        made[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(body), len(body) + values.nbytes]}
        body += values.tobytes()
    text = json.dumps(made).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    return folder


def tearDownModule():
    SOURCES.cleanup()


def session(bundle, variant):
    return ort.InferenceSession(bundle / variant["file"], providers=["CPUExecutionProvider"])


def feeds(model, ids):
    batch, length = ids.shape
    known = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids),
             "position_ids": np.tile(np.arange(length), (batch, 1)), "num_logits_to_keep": np.array(0)}
    values = {}
    for entry in model.get_inputs():
        if entry.name in known:
            values[entry.name] = known[entry.name].astype(np.int64)
        else:
            kind = np.float16 if "16" in entry.type else np.float32
            values[entry.name] = np.zeros([batch, entry.shape[1], 0, entry.shape[3]], kind)
    return values


class Split(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def both(self, model, *dtypes):
        made = []
        for name, limit in (("whole", "0"), ("split", str(LIMIT))):
            bundle = convert(source(model), self.folder / f"{model}-{name}", "--dtype", ",".join(dtypes), "--binding-limit", limit)
            made.append((bundle, {variant["dtype"]: variant for variant in json.loads((bundle / "bantam.json").read_text())["variants"]}))
        return made

    def test_the_same_is_computed(self):
        for name in MODELS:
            (whole, one), (split, many) = self.both(name, *DTYPES)
            vocabulary = json.loads((whole / "config.json").read_text())["vocab_size"]
            for dtype in DTYPES:
                with self.subTest(model=name, dtype=dtype):
                    tables = [weight for weight in many[dtype]["tensors"] if weight["role"] in ("word_embedding", "head")]
                    self.assertGreater(len(tables), 1)
                    # Every id once, so every slice and both of its ends.
                    expected_model, actual_model = session(whole, one[dtype]), session(split, many[dtype])
                    length = 16
                    ids = np.resize(np.arange(vocabulary), (-(-vocabulary // length), length))
                    expected = expected_model.run(None, feeds(expected_model, ids))
                    actual = actual_model.run(None, feeds(actual_model, ids))
                    self.assertEqual(len(expected), len(actual))
                    for a, b in zip(expected, actual):
                        self.assertEqual((a.dtype, a.shape), (b.dtype, b.shape))
                        scale = np.abs(a.astype(np.float64)).max()
                        difference = np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
                        # Kernels of other widths add in another order.
                        self.assertLessEqual(difference, (2e-3 if a.dtype == np.float16 or "16" in dtype else 1e-5) * scale)

    def test_rows_are_the_same_bytes_and_stored_once(self):
        for name in ("bert-fill-mask", "llama-text-generation"):
            (_, one), (_, many) = self.both(name, "fp32", "q4")
            for dtype in ("fp32", "q4"):
                def stored(variant):
                    return sum(weight["bytes"] for weight in variant["tensors"] if weight["role"] in ("word_embedding", "head"))
                self.assertEqual(stored(one[dtype]), stored(many[dtype]))

    def test_nothing_exceeds_the_limit(self):
        (_, one), (_, many) = self.both("llama-text-generation-untied-biases", "fp32")
        def largest(variant):
            return max(part["bytes"] for weight in variant["fp32"]["tensors"] if weight["role"] in ("word_embedding", "head") for part in weight["parts"])
        self.assertGreater(largest(one), LIMIT)
        self.assertLessEqual(largest(many), LIMIT)

    def test_ids_that_no_row_has_are_an_error(self):
        _, (split, many) = self.both("bert-feature-extraction", "fp32")
        model = session(split, many["fp32"])
        vocabulary = json.loads((split / "config.json").read_text())["vocab_size"]
        with self.assertRaisesRegex(Exception, "out of data bounds"):
            model.run(None, feeds(model, np.array([[1, vocabulary, 2]])))

    def test_bundles_stay_sound_and_run_natively(self):
        for name in MODELS[:5]:
            bundle = self.both(name, "fp32", "q8", "q4f16")[1][0]
            found = json.loads(run("verify", bundle, "--run", "--json", "-q").stdout)
            self.assertEqual([finding for finding in found["findings"] if finding["check"] != "tokenizer"], [])

    def test_the_user_is_told_and_may_refuse(self):
        plan = json.loads(run("convert", source("bert-fill-mask"), "--dry-run", "--json", "-q", "--binding-limit", "8KiB").stdout)
        self.assertTrue(any("split into" in note for note in plan["notes"]))
        plan = json.loads(run("convert", FIXTURES / "bert-fill-mask", "--dry-run", "--json", "-q").stdout)
        self.assertFalse(any("split into" in note for note in plan["notes"]))
        self.assertEqual(run("convert", FIXTURES / "bert-fill-mask", "--dry-run", "--binding-limit", "1KiB").returncode, 2)


if __name__ == "__main__":
    unittest.main()
