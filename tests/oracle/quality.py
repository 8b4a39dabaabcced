"""Scores every variant of the bundles of trained models with onnxruntime, and prints the tables of docs/quality.md.

Models and data are read from $BANTAM_SHARED (models/, data/); without it the script says so and does nothing. Texts are
tokenized by Python's tokenizers from the bundle's own tokenizer.json, one text at a time (no padding). As a test (--check) it
fails when float32 does not score what PyTorch scored (scores.json) or a variant loses more than its bound. Decoders read windows
of 512 tokens from the start of a text: 60 of them, 4 as a test.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

DTYPES = {"fp32": "", "fp16": "_fp16", "q8": "_quantized", "int8": "_int8", "uint8": "_uint8", "q4": "_q4", "q4f16": "_q4f16"}
# Largest loss of score against float32 that a test accepts, in score points. Measured losses are in docs/quality.md; these
# models are small and their dev sets too (872 and 1500 samples), so one sample is .001.
BOUNDS = {"fp32": 0.0, "fp16": 0.001, "q8": 0.004, "int8": 0.004, "uint8": 0.004, "q4": 0.007, "q4f16": 0.007}


class Bundle:
    def __init__(self, folder, dtype, path=None):
        self.path = path or os.path.join(folder, "onnx", f"model{DTYPES[dtype]}.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        self.inputs = {entry.name for entry in self.session.get_inputs()}
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        with open(os.path.join(folder, "config.json")) as file:
            self.tokenizer.enable_truncation(min(512, json.load(file)["max_position_embeddings"]))

    def run(self, text):
        ids = np.array([self.tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return self.session.run(None, {k: v for k, v in feed.items() if k in self.inputs})[0][0].astype(np.float64)

    def bytes(self):
        name = os.path.basename(self.path)
        folder = os.path.dirname(self.path)
        return sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder) if f == name or f.startswith(name + "_data"))


def ranks(values):
    order = np.argsort(values, kind="stable")
    result = np.empty(len(values))
    result[order] = np.arange(len(values))
    for value in np.unique(values):
        same = values == value
        result[same] = result[same].mean()
    return result


def classification(bundle, rows):
    logits = np.array([bundle.run(text) for text, _ in rows])
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(np.mean(logits.argmax(axis=1) == np.array([label for _, label in rows]))), log_p


def similarity(bundle, rows):
    def embed(text):
        mean = bundle.run(text).mean(axis=0)
        return mean / np.linalg.norm(mean)
    vectors = np.array([np.concatenate([embed(a), embed(b)]) for a, b, _ in rows])
    half = vectors.shape[1] // 2
    cosine = (vectors[:, :half] * vectors[:, half:]).sum(axis=1)
    gold = np.array([score for _, _, score in rows])
    return float(np.corrcoef(ranks(cosine), ranks(gold))[0, 1]), vectors


def divergence(reference, other):
    return float((np.exp(reference) * (reference - other)).sum(axis=1).mean())


def mean_cosine(reference, other):
    half = reference.shape[1] // 2
    return float(np.mean([(reference[:, s] * other[:, s]).sum(axis=1).mean() for s in (slice(None, half), slice(half, None))]))


def read_sst2(shared):
    with open(os.path.join(shared, "data/sst2/dev.tsv")) as file:
        return [(line.split("\t")[0], int(line.split("\t")[1])) for line in file.read().splitlines()]


def read_stsb(shared):
    with open(os.path.join(shared, "data/stsb/stsb-en-dev.csv"), newline="") as file:
        return [(a, b, float(score)) for a, b, score in csv.reader(file)]


MODELS = [("sst2-bert-tiny", "accuracy", "dev_accuracy", read_sst2, classification, divergence, "KL"),
          ("sst2-distilbert-mini", "accuracy", "dev_accuracy", read_sst2, classification, divergence, "KL"),
          ("stsb-bert-mini", "Spearman", None, read_stsb, similarity, mean_cosine, "mean cosine")]


# name, text, windows of a test, perplexity of these that PyTorch gives, {dtype: largest KL on them, largest bits per weight}
DECODERS = [
    ("pycode-qwen2", "data/pycode-text/eval.txt", 4, 9.51121,
     {"fp32": (1e-6, 33), "fp16": (1e-3, 17), "q8": (.002, 8.7), "q4": (.018, 5.9), "q4f16": (.018, 5.41)}),
    ("tinystories-656k", "data/tinystories-val/tinystories_val.txt", 4, None,
     {"fp32": (1e-6, 33), "fp16": (1e-3, 17), "q8": (.01, 9.5), "q4": (.1, 8), "q4f16": (.1, 7)}),
]


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


class Decoder(Bundle):
    """Next-token distributions of a text, all at once, with empty caches."""

    def run(self, ids):
        feed = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64),
                "position_ids": np.arange(len(ids))[None], "num_logits_to_keep": np.array(0)}
        for entry in self.session.get_inputs():
            if entry.name.startswith("past_key_values"):
                kind = np.float16 if "float16" in entry.type else np.float32
                feed[entry.name] = np.zeros((1, entry.shape[1], 0, entry.shape[3]), kind)
        return log_softmax(self.session.run(["logits"], feed)[0][0, :-1])


def decoders(bantam, shared, check):
    """Prints their table; yields what is missed."""
    print("\n| model | dtype | bytes of weights | bits per weight | perplexity | KL (± standard error) | top-1 |\n|:--|:--|--:|--:|--:|--:|--:|")
    for model, data, few, perplexity, bounds in DECODERS:
        source, windows = os.path.join(shared, "models", model), few if check else 60
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([bantam, "convert", source, "-o", folder + "/b", "--quiet", "--dtype", ",".join(bounds)], check=True,
                           stdout=subprocess.DEVNULL)
            opened = {dtype: Decoder(folder + "/b", dtype) for dtype in bounds}
            with open(os.path.join(folder, "b", "bantam.json")) as file:
                parameters = json.load(file)["model"]["parameters"]
            tokenizer = opened["fp32"].tokenizer
            tokenizer.no_truncation()
            with open(os.path.join(shared, data)) as file:
                ids = tokenizer.encode(file.read(2_000_000)).ids
            found = {dtype: {"loss": [], "kl": [], "same": []} for dtype in bounds}
            for begin in range(0, windows * 512, 512):
                window = ids[begin:begin + 512]
                exact = opened["fp32"].run(window)
                for dtype, sums in found.items():
                    given = exact if dtype == "fp32" else opened[dtype].run(window)
                    sums["loss"].append(-given[np.arange(len(window) - 1), window[1:]])
                    sums["kl"].append((np.exp(exact) * (exact - given)).sum(axis=1))
                    sums["same"].append(given.argmax(axis=1) == exact.argmax(axis=1))
            for dtype, (largest_kl, largest_bits) in bounds.items():
                loss, kl, same = (np.concatenate(found[dtype][what]) for what in ("loss", "kl", "same"))
                value, mean = float(np.exp(loss.mean())), float(kl.mean())
                path = opened[dtype].path
                size = opened[dtype].bytes() - os.path.getsize(path)
                bits = 8 * size / parameters
                print(f"| {model} | {dtype} | {size:,} | {bits:.2f} | {value:.3f} | {mean:.5f} ± {kl.std() / len(kl) ** .5:.5f} | {same.mean():.3f} |",
                      flush=True)
                if mean > largest_kl or bits > largest_bits:
                    yield f"{model}: {dtype} has KL {mean:.5f} at {bits:.2f} bits per weight; {largest_kl} at {largest_bits} is allowed"
                if check and dtype == "fp32" and perplexity and abs(value / perplexity - 1) > 1e-3:
                    yield f"{model}: perplexity {value}, PyTorch has {perplexity}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail when a bound is missed")
    options = parser.parse_args()
    shared = os.environ.get("BANTAM_SHARED", os.path.join(os.environ.get("BANTAM_SOURCE_DIR", "."), "../shared"))
    if not os.path.isdir(os.path.join(shared, "models")):
        print(f"left out: the trained models of {shared} are not there (BANTAM_SHARED)")
        return 0
    bantam = os.environ.get("BANTAM", "build/release/apps/bantam/bantam")
    missed = []
    print("| model | dtype | bytes | of fp32 | score | change | against fp32 |\n|:--|:--|--:|--:|--:|--:|--:|")
    for model, metric, key, read, score, compare, what in MODELS:
        source = os.path.join(shared, "models", model)
        rows = read(shared)
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, model)
            subprocess.run([bantam, "convert", source, "-o", out, "--quiet", "--dtype", ",".join(DTYPES)], check=True, stdout=subprocess.DEVNULL)
            for dtype in DTYPES:
                bundle = Bundle(out, dtype)
                value, outputs = score(bundle, rows)
                if dtype == "fp32":
                    full, reference, size = value, outputs, bundle.bytes()
                    if key:
                        with open(os.path.join(source, "scores.json")) as file:
                            wanted = json.load(file)[key]
                        if abs(value - wanted) > 1e-9:
                            missed.append(f"{model}: fp32 scores {value}, PyTorch scored {wanted}")
                if full - value > BOUNDS[dtype]:
                    missed.append(f"{model}: {dtype} scores {value:.4f}, fp32 {full:.4f}")
                print(f"| {model} ({metric}, {len(rows)}) | {dtype} | {bundle.bytes():,} | {100 * bundle.bytes() / size:.0f} % | {value:.4f} | "
                      f"{value - full:+.4f} | {what} {compare(reference, outputs):.3g} |", flush=True)
    missed.extend(decoders(bantam, shared, options.check))
    for line in missed:
        print("missed:", line)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
