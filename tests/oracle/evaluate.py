"""Holds report.json of `bantam evaluate` against an independent computation: onnxruntime runs the bundle's files, Python's
tokenizers make the ids, numpy makes every figure.

Always: the demo model on testdata/sentences.tsv. With $BANTAM_SHARED also the trained models on their development sets, where
the float32 graph must say of every sentence what PyTorch said (testdata/evaluation, scores.json).
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

ROOT = pathlib.Path(os.environ["BANTAM_SOURCE_DIR"])
SHARED = pathlib.Path(os.environ.get("BANTAM_SHARED") or ROOT.parent / "shared")
DTYPES = {"fp32": "", "fp16": "_fp16", "q8": "_quantized", "int8": "_int8", "uint8": "_uint8", "q4": "_q4", "q4f16": "_q4f16"}
failures = []


def check(what, condition, text=""):
    if not condition:
        failures.append(f"{what} {text}")
        print("FAILED", what, text)


def near(what, value, expected, absolute, relative=0.0):
    check(what, abs(value - expected) <= absolute + relative * abs(expected), f"{value} where {expected} was expected")


def bantam(*arguments):
    result = subprocess.run([os.environ["BANTAM"], *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"bantam {' '.join(map(str, arguments))}: {result.stderr}")
    return result.stdout


class Variant:
    def __init__(self, bundle, dtype):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(bundle / f"onnx/model{DTYPES[dtype]}.onnx"), options,
                                                    providers=["CPUExecutionProvider"])
        self.inputs = {entry.name for entry in self.session.get_inputs()}
        self.tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(min(512, json.loads((bundle / "config.json").read_text())["max_position_embeddings"]))

    def run(self, text):
        ids = np.array([self.tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return self.session.run(None, {k: v for k, v in feed.items() if k in self.inputs})[0][0].astype(np.float64)


def ranks(values):
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[group]


def cosine(a, b):
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def log_softmax(x):
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def classification(variant, rows):
    logits = np.array([variant.run(text) for text, _ in rows])
    return logits, lambda: float(np.mean(logits.argmax(1) == np.array([label for _, label in rows])))


def similarity(variant, rows):
    vectors = np.array([[variant.run(text).mean(0) for text in pair] for pair, _ in rows])
    cosines = cosine(vectors[:, 0], vectors[:, 1])
    scores = np.array([score for _, score in rows])
    return vectors.reshape(-1, vectors.shape[-1]), lambda: float(np.corrcoef(ranks(cosines), ranks(scores))[0, 1])


def compare(name, report, bundle, rows, task):
    """Every figure that depends on the outputs alone. Sums over float32 outputs of two runtimes differ a little."""
    wanted, reference_score = task(Variant(bundle, "fp32"), rows)
    near(f"{name}: reference score", report["reference_score"]["value"], reference_score(), 2e-4)
    for entry in report["variants"]:
        dtype = entry["dtype"]
        at = f"{name} {dtype}"
        given, score = task(Variant(bundle, dtype), rows)
        one = 1.01 / len(rows)  # dynamic INT8 may round one activation the other way
        near(f"{at}: score", entry["score"]["value"], score(), 1e-6 if dtype == "fp32" else one)
        near(f"{at}: retention", entry["retention"]["value"], entry["score"]["value"] / report["reference_score"]["value"], 1e-12)
        check(f"{at}: intervals", entry["score"]["low"] <= entry["score"]["value"] <= entry["score"]["high"])
        files = [path for path in (bundle / "onnx").iterdir() if path.name == f"model{DTYPES[dtype]}.onnx"
                 or path.name.startswith(f"model{DTYPES[dtype]}.onnx_data")]
        near(f"{at}: bytes", entry["bytes"], sum(path.stat().st_size for path in files), 0)
        near(f"{at}: bits per weight", entry["bits_per_weight"], 8 * entry["bytes"] / report["parameters"], 1e-9)
        # Where activations are rounded, to integers or to halves, one that lies between two codes may fall to the other side.
        rounded = dtype in ("q8", "int8", "uint8")
        near(f"{at}: cosine", entry["cosine_mean"], cosine(wanted, given).mean(), 2e-4 if rounded or dtype == "q4f16" else 5e-5)
        near(f"{at}: max abs", entry["max_abs"], np.abs(wanted - given).max(), 2e-3, 0.1)
        check(f"{at}: positions", entry["positions"] == len(wanted))
        if task is classification:
            p, q = log_softmax(wanted), log_softmax(given)
            kl = (np.exp(p) * (p - q)).sum(1)
            near(f"{at}: KL mean", entry["kl_mean"], kl.mean(), 2e-7, 0.05)
            near(f"{at}: KL 99.9 %", entry["kl_p999"], np.quantile(kl, 0.999), 5e-5 if rounded else 5e-6, 0.1)
            near(f"{at}: top-1", entry["top1_agreement"], np.mean(wanted.argmax(1) == given.argmax(1)), one)
        check(f"{at}: layers", dtype == "fp32" or all(-200 < layer["sqnr_db"] <= 200 for layer in entry["layers"]))
        check(f"{at}: layers are measured", len(entry["layers"]) >= 8)
    return {entry["dtype"]: entry for entry in report["variants"]}


def tsv(path, header):
    lines = path.read_text(encoding="utf-8").splitlines()[1 if header else 0:]
    return [(text, int(label)) for text, label in (line.split("\t") for line in lines)]


def judged(folder, model, data, dtypes):
    bundle = folder / model.name
    bantam("convert", model, "-o", bundle, "-q", "-d", dtypes)
    return bundle, json.loads(bantam("evaluate", bundle, "--reference", model, "--data", data, "--json", "-q"))


def demo(folder):
    model, data = ROOT / "testdata/sst2-bert-tiny", ROOT / "testdata/sentences.tsv"
    bundle, report = judged(folder, model, data, ",".join(DTYPES))
    compare("demo", report, bundle, tsv(data, True), classification)


def shared(folder):
    dev = SHARED / "data/sst2/dev.tsv"
    for name in ("sst2-bert-tiny", "sst2-distilbert-mini"):
        model = SHARED / "models" / name
        bundle, report = judged(folder / "shared", model, dev, "fp32,q8,q4f16")
        compare(name, report, bundle, tsv(dev, False), classification)
        expected = json.loads((model / "scores.json").read_text())["dev_accuracy"]
        near(f"{name}: PyTorch's accuracy", report["reference_score"]["value"], expected, 1e-12)
        # PyTorch's own logits as the reference: the same answer to every sentence.
        recorded = json.loads(bantam("evaluate", bundle, "--reference-outputs", ROOT / f"testdata/evaluation/{name}.safetensors",
                                     "--data", dev, "--json", "-q", "-d", "fp32", "--layers", "0"))
        fp32 = recorded["variants"][0]
        check(f"{name}: PyTorch's answers", fp32["top1_agreement"] == 1, str(fp32["top1_agreement"]))
        near(f"{name}: PyTorch's logits", fp32["max_abs"], 0, 1e-5)
        near(f"{name}: PyTorch's score", recorded["reference_score"]["value"], expected, 1e-12)
    name = "stsb-bert-mini"
    dev = SHARED / "data/stsb/stsb-en-dev.csv"
    bundle, report = judged(folder / "shared", SHARED / "models" / name, dev, "fp32,q8,q4")
    rows = [((first, second), float(score)) for first, second, score in csv.reader(dev.open(encoding="utf-8"))]
    compare(name, report, bundle, rows, similarity)
    expected = json.loads((ROOT / f"testdata/evaluation/{name}.json").read_text())
    near(f"{name}: PyTorch's Spearman", report["reference_score"]["value"], expected["spearman"], 1e-5)  # cosines that are equal but for rounding


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        demo(folder)
        if (SHARED / "models").is_dir():
            (folder / "shared").mkdir()
            shared(folder)
        else:
            print(f"left out: the trained models on their development sets; {SHARED} is not there (BANTAM_SHARED)")
    if failures:
        sys.exit(f"{len(failures)} figures differ")
    print("every figure agrees")


if __name__ == "__main__":
    main()
