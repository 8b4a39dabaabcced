#!/usr/bin/env python3
"""The forecast of memory and time: the same before and after a bundle is written, sums that files confirm, and peaks within
20 % of those that benchmarks/browser_memory.mjs measured in Chromium."""
import json
import pathlib
import struct
import tempfile
import unittest

from bantam_cli import ROOT, run
from bundle_edits import FIXTURES, convert

MIB = 1 << 20

# Chromium 156, transformers.js 4.3.1, device wasm, one thread, 128 tokens: files, wasm heap after a run, peak of the
# renderer, in MiB. The models are of the shapes below, so that nothing but the shapes matters.
MEASURED = {
    # hidden, vocabulary, layers
    (512, 30522, 8): {"fp32": (160.6, 233.6, 599.7), "fp16": (79.8, 206.8, 564.9), "q8": (41.0, 61.8, 416.1),
                      "q4": (32.8, 56.6, 407.3), "q4f16": (31.1, 56.9, 442.6)},
    (1024, 4096, 3): {"fp32": (167.0, 294.6, 665.0), "fp16": (84.1, 250.8, 635.5), "q8": (42.8, 69.2, 435.5),
                      "q4": (31.3, 71.8, 445.7), "q4f16": (29.3, 69.2, 393.8)},
    (256, 120000, 2): {"fp32": (124.2, 157.5, 639.1), "fp16": (62.0, 92.9, 513.2), "q8": (32.0, 50.0, 423.0),
                       "q4": (31.5, 49.5, 433.1), "q4f16": (30.9, 49.8, 443.1)},
    # Measured after the model was fitted to the others.
    (768, 20000, 5): {"fp32": (199.2, 288.4, 729.1), "fp16": (100.4, 248.2, 664.3), "q8": (50.5, 71.8, 436.6),
                      "q4": (39.9, 72.6, 423.9), "q4f16": (37.7, 71.0, 418.9)},
}

# With --javascript: peaks of array buffers while transformers.js loads, and web/bantam-loader.mjs with the JSPI build.
MEASURED_BUFFERS = {
    (512, 30522, 8): {"fp32": (160.7, 98.3), "q8": (41.1, 21.7), "q4": (32.9, 28.5)},
    (256, 120000, 2): {"fp32": (124.3, 136.6), "q8": (32.0, 42.3), "q4": (31.5, 41.4)},
    (768, 20000, 5): {"fp32": (199.2, 109.1), "q8": (50.6, 38.3), "q4": (39.9, 36.7)},
}


def write_sparse(folder, hidden, vocabulary, layers):
    """The checkpoint of benchmarks/synthetic.py with a hole in place of its weights."""
    shapes = {"bert.embeddings.word_embeddings.weight": [vocabulary, hidden], "bert.embeddings.position_embeddings.weight": [512, hidden],
              "bert.embeddings.token_type_embeddings.weight": [2, hidden], "bert.pooler.dense.weight": [hidden, hidden],
              "bert.pooler.dense.bias": [hidden], "classifier.weight": [2, hidden], "classifier.bias": [2]}
    norms = ["bert.embeddings.LayerNorm"]
    for i in range(layers):
        layer = f"bert.encoder.layer.{i}."
        for name, rows, columns in (("attention.self.query", 1, 1), ("attention.self.key", 1, 1), ("attention.self.value", 1, 1),
                                    ("attention.output.dense", 1, 1), ("intermediate.dense", 4, 1), ("output.dense", 1, 4)):
            shapes[f"{layer}{name}.weight"] = [rows * hidden, columns * hidden]
            shapes[f"{layer}{name}.bias"] = [rows * hidden]
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for norm in norms:
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = [hidden]
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    folder.mkdir()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    (folder / "config.json").write_text(json.dumps(
        {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": hidden, "num_hidden_layers": layers,
         "num_attention_heads": hidden // 64, "intermediate_size": 4 * hidden, "vocab_size": vocabulary, "hidden_act": "gelu",
         "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12}))
    return folder


class Forecasts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def planned(self, source, *more):
        result = run("convert", source, "--dry-run", "--json", "-q", *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["plan"]["forecasts"]

    def test_is_the_same_before_and_after(self):
        for fixture in ("bert-text-classification-tokenizer", "llama-text-generation", "bert-fill-mask-tokenizer", "albert-fill-mask"):
            with self.subTest(fixture):
                before = self.planned(FIXTURES / fixture)
                bundle = convert(FIXTURES / fixture, self.folder / fixture)
                verified = {variant["dtype"]: variant["forecast"] for variant in json.loads(run("verify", bundle, "--json", "-q").stdout)["variants"]}
                inspected = {variant["dtype"]: variant["forecast"] for variant in json.loads(run("inspect", bundle, "--json", "-q").stdout)["variants"]}
                self.assertEqual(len(before), 5)
                self.assertEqual(verified, before)
                self.assertEqual(inspected, before)

    def test_adds_up(self):
        bundle = convert(FIXTURES / "llama-text-generation", self.folder / "b", "--shard-size", "64KiB", "--dtype", "fp32,q4f16")
        config = json.loads((bundle / "config.json").read_text())
        sizes = {str(path.relative_to(bundle)): path.stat().st_size for path in bundle.rglob("*") if path.is_file()}
        for variant in json.loads(run("verify", bundle, "--json", "-q").stdout)["variants"]:
            with self.subTest(variant["dtype"]):
                found = variant["forecast"]
                graph = "onnx/model.onnx" if variant["dtype"] == "fp32" else "onnx/model_q4f16.onnx"
                files = [size for name, size in sizes.items() if name == graph or name.startswith(f"{graph}_data")]
                self.assertEqual(found["js_peak_bytes"], sum(files))
                self.assertEqual(found["js_streaming_bytes"], found["largest_binding_bytes"] + min(20 * MIB, sum(files)))
                self.assertEqual(found["download_bytes"], sum(files) + sizes["config.json"] + sizes["generation_config.json"])
                for connection, megabits in {"3G": 1.6, "4G": 9, "WiFi": 40, "fibre": 300}.items():
                    self.assertAlmostEqual(found["seconds"][connection], found["download_bytes"] * 8 / megabits / 1e6)
                width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
                size = 4 if variant["dtype"] == "fp32" else 2
                self.assertEqual(found["cache_bytes_per_1000_tokens"],
                                 1000 * 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * width * size)
        manifest = json.loads((bundle / "bantam.json").read_text())
        largest = max(part["bytes"] for weight in manifest["variants"][0]["tensors"] for part in weight["parts"])
        self.assertEqual(json.loads(run("verify", bundle, "--json", "-q").stdout)["variants"][0]["forecast"]["largest_binding_bytes"], largest)

    def test_peaks_are_those_of_chromium(self):
        worst = 0
        for shape, rows in MEASURED.items():
            source = write_sparse(self.folder / "-".join(map(str, shape)), *shape)
            for dtype, found in self.planned(source).items():
                files, heap, tab = rows[dtype]
                with self.subTest(shape=shape, dtype=dtype):
                    self.assertAlmostEqual(found["js_peak_bytes"] / MIB, files, delta=0.11)
                    for name, measured in (("wasm_heap_bytes", heap), ("tab_bytes", tab)):
                        error = found[name] / MIB / measured - 1
                        worst = max(worst, abs(error))
                        self.assertLess(abs(error), 0.2, f"{name}: {found[name] / MIB:.1f} MiB where {measured} was measured")
                    if dtype in MEASURED_BUFFERS.get(shape, {}):
                        whole, streamed = MEASURED_BUFFERS[shape][dtype]
                        self.assertLess(abs(found["js_peak_bytes"] / MIB / whole - 1), 0.02)
                        # Of what the runtime's own buffer leaves behind while it grows, nothing is forecast.
                        self.assertTrue(0.7 < found["js_streaming_bytes"] / MIB / streamed < 1.7, (found["js_streaming_bytes"] / MIB, streamed))
        self.assertLess(worst, 0.15)

    def test_verdicts(self):
        def verdicts(*shape, limit="0"):
            source = self.folder / "-".join(map(str, shape))
            if not source.exists():
                write_sparse(source, *shape)
            return {dtype: found["verdicts"] for dtype, found in self.planned(source, "--binding-limit", limit).items()}
        small = verdicts(256, 1000, 1)
        self.assertEqual({fit for found in small.values() for fit in found.values()}, {"fits"})
        # 30522 x 2048 in float32 is 238 MiB, in float16 119.
        wide = verdicts(2048, 30522, 1)
        self.assertEqual((wide["fp32"]["binding_128mib"], wide["fp16"]["binding_128mib"], wide["q4"]["binding_128mib"]), ("no", "fits", "fits"))
        # Split, as it is by default.
        self.assertEqual({found["binding_128mib"] for found in verdicts(2048, 30522, 1, limit="128MiB").values()}, {"fits"})
        deep = verdicts(2048, 30522, 24)  # 1.3 billion parameters
        self.assertEqual(deep["fp32"], {"wasm_4gib": "no", "binding_128mib": "no", "phone": "no", "ios_tab": "no"})
        self.assertEqual((deep["q4"]["wasm_4gib"], deep["q4"]["phone"]), ("fits", "no"))

    def test_is_shown(self):
        bundle = convert(FIXTURES / "bert-text-classification-tokenizer", self.folder / "b")
        for arguments in (("verify", bundle), ("inspect", bundle), ("convert", FIXTURES / "bert-text-classification-tokenizer", "--dry-run")):
            text = run(*arguments, "-q").stdout
            for part in ("wasm heap", "iOS tab", "fibre 300 Mbit/s", "largest tensor"):
                self.assertIn(part, text)


if __name__ == "__main__":
    unittest.main()
