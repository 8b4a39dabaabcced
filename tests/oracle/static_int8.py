#!/usr/bin/env python3
"""Static INT8 as convert --static writes it: onnxruntime fuses every linear, and the native runtime gives what it gives.

For both formats: 1. onnxruntime's optimizer leaves one MatMulIntegerToFloat per static linear, and no weight is turned into
floats; 2. the native runtime, fused and node by node, agrees with onnxruntime, optimized and not; 3. activations are on the
grid that the chosen range implies, which holds what was seen with --ranges min-max; 4. results do not depend on what else
is in the batch.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import tokenizers

import native
from calibrate import read_statistics

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))
from synthetic import write_checkpoint  # noqa: E402

BANTAM = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))
TINY = ROOT / "testdata/sst2-bert-tiny"


def feeds(session, encodings):
    length = max(len(e.ids) for e in encodings)
    rows = lambda get: np.array([get(e) + [0] * (length - len(e.ids)) for e in encodings], np.int64)  # noqa: E731
    known = {"input_ids": rows(lambda e: e.ids), "attention_mask": rows(lambda e: [1] * len(e.ids)),
             "token_type_ids": rows(lambda e: e.type_ids)}
    return {i.name: known[i.name] for i in session.get_inputs()}


def check_fused(path, linears, folder):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "optimized.data")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options)
    nodes = onnx.load(str(folder / "optimized.onnx"), load_external_data=False).graph.node
    types = [n.op_type for n in nodes]
    assert types.count("MatMulIntegerToFloat") == linears, (types.count("MatMulIntegerToFloat"), linears)
    assert "DequantizeLinear" not in types, types
    return session


def check(tool, source, folder):
    texts = [line.split("\t")[0] for line in (ROOT / "testdata/sentences.tsv").read_text().splitlines()[1:61]]
    (folder / "texts.tsv").write_text("sentence\n" + "".join(t + "\n" for t in texts))
    run = lambda *args: subprocess.run([BANTAM, *map(str, args)], check=True, capture_output=True)  # noqa: E731
    run("calibrate", source, "--data", folder / "texts.tsv", "--what", "ranges", "-o", folder / "stats")
    index, _, _ = read_statistics(folder / "stats")
    seen = {w: (min(s["min"], 0), max(s["max"], 0)) for s in index["sites"] for w in s["weights"]}
    outputs = {}
    for form in ("qdq", "qoperator"):
        bundle = folder / form
        run("convert", source, "-o", bundle, "-d", "int8", "--static", "--stats", folder / "stats", "--ranges",
            "min-max", "--quant-format", form)
        path = bundle / "onnx/model_int8.onnx"
        model = onnx.load(str(path))
        arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        codes = [n for n in arrays if n.endswith("_quantized") and arrays[n].dtype == np.int8]
        assert codes
        quantize = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
        for weight in codes:
            reader = next(n for n in model.graph.node if weight in n.input)
            if form == "qdq":
                reader = next(n for n in model.graph.node if reader.output[0] in n.input)
                reader = next(n for n in model.graph.node if n.output[0] == reader.input[0])
            node = next(n for n in quantize if n.output[0] == reader.input[0])
            scale, zero = arrays[node.input[1]], int(arrays[node.input[2]])
            low, high = seen[weight.removesuffix("_quantized")]
            assert abs(scale * 255 - (high - low)) < 1e-5 * (high - low) and zero == round(-low / scale), weight
        session = check_fused(path, len(codes), folder)
        tokenizer = tokenizers.Tokenizer.from_file(str(bundle / "tokenizer.json"))
        tokenizer.no_padding()
        encodings = [tokenizer.encode(t) for t in texts[:24]]
        alone = [feeds(session, [e]) for e in encodings]
        names = [o.name for o in session.get_outputs()]
        plain = native.reference_session(str(path))
        want = [dict(zip(names, session.run(names, f))) for f in alone]
        size = {n: max(np.abs(w[n]).max() for w in want) for n in names}
        distance = lambda got: max(float(np.abs(g[n] - w[n]).max() / size[n])  # noqa: E731
                                   for g, w in zip(got, want, strict=True) for n in names)
        errors = {"onnxruntime, not optimized": distance([dict(zip(names, plain.run(names, f))) for f in alone])}
        inputs = [i.name for i in session.get_inputs()]
        for flags in ([], ["--unfused"]):
            errors[f"native {' '.join(flags)}"] = distance(native.run(tool, path, alone, inputs, names, *flags))
        print(f"{source.name} {form}: " + ", ".join(f"{k.strip()} {v:.1e}" for k, v in errors.items()))
        # A value between two codes may fall to the other side.
        assert max(errors.values()) < 0.02, errors
        together = session.run(names, feeds(session, encodings))
        padded = max(float(np.abs(together[0][i] - want[i][names[0]][0]).max()) for i in range(len(want)))
        assert padded < 0.02 * size[names[0]], f"padding changes the result by {padded}"
        outputs[form] = want
    first = next(iter(outputs["qdq"][0]))
    worst = max(float(np.abs(a[first] - b[first]).max()) for a, b in zip(outputs["qdq"], outputs["qoperator"], strict=True))
    assert worst < 0.02 * size[first], f"the two formats differ by {worst}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", default=ROOT / "build/release/tests/bantam_run_model", help="tests/tools/run_model.cc")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bantam-static-") as folder:
        check(arguments.tool, TINY, pathlib.Path(folder))
    with tempfile.TemporaryDirectory(prefix="bantam-static-") as folder:
        noise = pathlib.Path(folder) / "noise"
        write_checkpoint(str(noise), 0, hidden=96, layers=2, head_size=24, vocab=5000)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(TINY / name, noise)
        check(arguments.tool, noise, pathlib.Path(folder))
    print("both models agree")


if __name__ == "__main__":
    sys.exit(main())
