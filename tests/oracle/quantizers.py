#!/usr/bin/env python3
"""Every method of ours beside onnxruntime's own quantizers, on trained models: the table of docs/quality.md.

Scores, KL (encoders of sentences: mean cosine) and retention are measured by onnxruntime on the files of both, with the same inputs; bytes are those
of graph and weights. onnxruntime's quantizers get our float32 graph with its linears as MatMul and their weights turned over, which
also unties an output layer from the embedding; a quantizer that fails has its error in the row. Decoders: windows of 512 tokens.

usage: quantizers.py SHARED [--windows 60] [--only MODEL]     (BANTAM names the binary; its 4-bit quantizers need onnx-ir and torch besides)
"""
import argparse
import contextlib
import io
import logging
import os
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
import onnx
from onnxruntime import quantization
from onnxruntime.quantization import matmul_nbits_quantizer as nbits

import quality

ROOT = pathlib.Path(__file__).resolve().parents[2]
BANTAM = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))
SENTENCES = 256  # that calibrate encoders; windows that calibrate decoders: 64
CALIBRATION = {"pycode-qwen2": "data/pycode-text/calibration.txt",
               "tinystories-656k": "data/tinystories-val/cs336_tinystories_sample.txt"}


def with_matmuls(path):
    """The model, weights inside; every Gemm(x, W, b) with transB is MatMul(x, W^T) and Add."""
    model = onnx.load(str(path))
    graph, nodes = model.graph, []
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Gemm":
            nodes.append(node)
            continue
        assert [(a.name, a.i) for a in node.attribute] == [("transB", 1)] and node.input[1] in weights, node.name
        turned = f"{node.input[1]}_turned"
        if turned not in weights:
            weights[turned] = onnx.numpy_helper.from_array(np.ascontiguousarray(onnx.numpy_helper.to_array(weights[node.input[1]]).T), turned)
        bias = list(node.input[2:])
        product = f"{node.output[0]}_product" if bias else node.output[0]
        nodes.append(onnx.helper.make_node("MatMul", [node.input[0], turned], [product], name=node.name + "/MatMul"))
        if bias:
            nodes.append(onnx.helper.make_node("Add", [product, *bias], [node.output[0]], name=node.name + "/Add"))
    read = {name for node in nodes for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensor for name, tensor in weights.items() if name in read)
    return model


class Sentences(quantization.CalibrationDataReader):
    def __init__(self, bundle, texts):
        self.feeds = iter([bundle.feed(text) for text in texts])

    def get_next(self):
        return next(self.feeds, None)


def in_blocks(config):
    def quantize(source, out, _):
        quantizer = nbits.MatMulNBitsQuantizer(onnx.load(source), bits=4, block_size=32, is_symmetric=True, algo_config=config())
        quantizer.process()
        quantizer.model.save_model_to_file(out, False)
    return quantize


def dynamic(source, out, _):
    quantization.quantize_dynamic(source, out, per_channel=True, weight_type=quantization.QuantType.QInt8,
                                  extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


# Of MatMul alone: with all operators, its default, 1.31 and 1.32 fail on the outputs of Softmax.
def static(source, out, reader):
    quantization.quantize_static(source, out, reader(), op_types_to_quantize=["MatMul"], per_channel=True, activation_type=quantization.QuantType.QUInt8,
                                 weight_type=quantization.QuantType.QInt8, calibrate_method=quantization.CalibrationMethod.MinMax)


THEIRS = {"dynamic q8 per channel": dynamic,
          "static QDQ, MinMax": static,
          "MatMulNBits DEFAULT": in_blocks(lambda: nbits.DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True)),
          "MatMulNBits HQQ": in_blocks(lambda: nbits.HQQWeightOnlyQuantConfig(block_size=32)),
          "MatMulNBits k_quant": in_blocks(nbits.KQuantWeightOnlyQuantConfig)}


def ours(decoder, data):
    """name: (dtype, options)"""
    four = "q4f16" if decoder else "q4"
    texts = ["--calibrate", data, "--limit", 64 if decoder else SENTENCES]
    texts += ["--format", "text"] if decoder else []
    rows = {"fp16": ("fp16", []), "q8, dynamic": ("q8", [])}
    if decoder:
        rows["q8, --smooth 0.75"] = ("q8", ["--smooth", 0.75, *texts])
    else:
        rows["int8, --static"] = ("int8", ["--static", *texts])
    for method, needs in (("rtn", []), ("search", []), ("hqq", []), ("weighted", texts), ("awq", texts), ("gptq", texts)):
        rows[f"{four}, {method}"] = (four, ["--method", method, *needs])
    if decoder:
        rows[f"{four}, gptq, self"] = (four, ["--method", "gptq", "--calibrate", "self"])
    return rows


class Encoder(quality.Bundle):
    def feed(self, text):
        ids = np.array([self.tokenizer.encode(text).ids], np.int64)
        known = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return {name: array for name, array in known.items() if name in self.inputs}


class EncoderJudge:
    """Scores the dev set; what it gives of float32 is the measure of the others."""

    def __init__(self, folder, measure, rows, closeness):
        self.folder, self.measure, self.rows, self.closeness = folder, measure, rows, closeness
        self.score, self.exact = self.of(None)

    def of(self, path):
        return self.measure(Encoder(self.folder, "fp32", path), self.rows)

    def row(self, path):
        score, given = self.of(path)
        return f"{score:.4f}", f"{score / self.score:.2%}", f"{self.closeness(self.exact, given):{'.3g' if self.closeness is quality.divergence else '.6f'}}"


class DecoderJudge:
    def __init__(self, folder, text, windows):
        self.folder = folder
        reference = quality.Decoder(folder, "fp32")
        reference.tokenizer.no_truncation()
        ids = reference.tokenizer.encode(text).ids
        self.windows = [ids[i:i + 512] for i in range(0, windows * 512, 512)]
        self.exact = [reference.run(window) for window in self.windows]
        self.score = self.perplexity(self.exact)

    def perplexity(self, given):
        return float(np.exp(np.mean([-g[np.arange(len(w) - 1), w[1:]].mean() for g, w in zip(given, self.windows, strict=True)])))

    def row(self, path):
        bundle = quality.Decoder(self.folder, "fp32", path)
        given = [bundle.run(window) for window in self.windows]
        kl = np.mean([(np.exp(e) * (e - g)).sum(axis=1).mean() for e, g in zip(self.exact, given, strict=True)])
        score = self.perplexity(given)
        return f"{score:.3f}", f"{self.score / score:.2%}", f"{kl:.3g}"


def judged(model, tool, method, judge, path):
    def size():
        folder, name = os.path.split(path)
        return sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder) if f == name or f.startswith(name + "_data"))
    score, retention, closeness = judge.row(path)
    print(f"| {model} | {tool} | {method} | {size():,} | {score} | {retention} | {closeness} |", flush=True)


def compare(model, shared, folder, judge, reader, data, decoder):
    judged(model, "", "fp32", judge, os.path.join(folder, "onnx/model.onnx"))
    source = os.path.join(folder, "matmuls.onnx")
    onnx.save(with_matmuls(os.path.join(folder, "onnx/model.onnx")), source)
    for method, (dtype, options) in ours(decoder, data).items():
        out = os.path.join(folder, "ours")
        subprocess.run([BANTAM, "convert", os.path.join(shared, "models", model), "-o", out, "-d", dtype, "-f", "-q", *map(str, options)],
                       check=True, stdout=subprocess.DEVNULL)
        judged(model, "Bantam", method, judge, os.path.join(out, "onnx", f"model{quality.DTYPES[dtype]}.onnx"))
    for method, quantize in THEIRS.items():
        if decoder and quantize is static:
            continue
        os.makedirs(os.path.join(folder, "theirs"), exist_ok=True)
        out = os.path.join(folder, "theirs", "model.onnx")
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # some draw progress there
                quantize(source, out, reader)
            judged(model, "onnxruntime", method, judge, out)
        except Exception as error:  # whatever its quantizers raise
            print(f"| {model} | onnxruntime | {method} | fails: {(str(error).splitlines() or [type(error).__name__])[0][:80]} | | | |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared")
    parser.add_argument("--windows", type=int, default=60, help="of a decoder's text (default: %(default)s)")
    parser.add_argument("--only", action="append", help="this model alone (repeatable)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    shared = options.shared
    train = os.path.join(shared, "data/sst2/train.tsv")  # sentences are sentences: also for stsb-bert-mini
    print("| model | tool | method | bytes | score | of fp32 | KL or cosine |\n|:--|:--|:--|--:|--:|--:|--:|")
    names = [entry[0] for entry in (*quality.MODELS, *quality.DECODERS)]
    encoders = {entry[0]: entry for entry in quality.MODELS}
    texts = {entry[0]: entry[1] for entry in quality.DECODERS}
    for model in options.only or names:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([BANTAM, "convert", os.path.join(shared, "models", model), "-o", folder, "-d", "fp32", "-f", "-q"], check=True,
                           stdout=subprocess.DEVNULL)
            if model in encoders:
                _, _, _, rows, measure, closeness, _ = encoders[model]
                judge = EncoderJudge(folder, measure, rows(shared), closeness)
                with open(train) as file:
                    sentences = [line.split("\t")[0] for line in file.read().splitlines()[:SENTENCES]]
                compare(model, shared, folder, judge, lambda: Sentences(Encoder(folder, "fp32"), sentences), train, False)  # noqa: B023
            else:
                with open(os.path.join(shared, texts[model])) as file:
                    judge = DecoderJudge(folder, file.read(2_000_000), options.windows)
                compare(model, shared, folder, judge, None, os.path.join(shared, CALIBRATION[model]), True)


if __name__ == "__main__":
    main()
