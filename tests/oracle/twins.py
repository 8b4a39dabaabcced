#!/usr/bin/env python3
"""Quality must not depend on how the same function happens to be scaled (docs/quantization.md, "One scaling").

Of fixtures of every family that has channels to rescale, and of a trained encoder and (with BANTAM_SHARED) a trained decoder:
1. a twin by powers of two gives byte-identical graphs and weight shards in every dtype, and does not with --no-canonical;
2. the float32 graph gives what it gives without --no-canonical, to the last bit but for the order of nothing: at most 1e-6;
3. that float32 rule holds for every decoder and some encoders besides;
4. a twin by random factors is as far from float32, in every quantized dtype, as the checkpoint itself is;
5. what calibration decides (AWQ's and SmoothQuant's factors, GPTQ's codes, static ranges, weights that are left out) is the
   same for a twin by powers of two.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

import golden_onnx
from make_twin import make_twin

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "testdata" / "fixtures"
NAMES = ["llama-text-generation", "llama-text-generation-untied-biases", "llama-text-generation-v4-linear-bf16",
         "mistral-text-generation-window", "qwen2-text-generation", "qwen3-text-generation", "bert-fill-mask",
         "bert-text-classification-3"]
SUFFIXES = {"fp32": "", "fp16": "_fp16", "q8": "_quantized", "int8": "_int8", "uint8": "_uint8", "q4": "_q4",
            "q4f16": "_q4f16"}


def convert(bantam, source, target, *options):
    subprocess.run([bantam, "convert", str(source), "-o", str(target), "--quiet", "--dtype", ",".join(SUFFIXES), *options],
                   check=True, stdout=subprocess.DEVNULL)


def model_files(bundle):
    return {path.name: path.read_bytes() for path in (bundle / "onnx").iterdir()}


def outputs(bundle, dtype, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(bundle / "onnx" / f"model{SUFFIXES[dtype]}.onnx"), options,
                                           providers=["CPUExecutionProvider"])
    # Not the caches: keys and values are channels that are rescaled.
    name = next(output.name for output in session.get_outputs() if not output.name.startswith("present"))
    return session.run([name], golden_onnx.fed(session, inputs))[0].astype(np.float64)


def distance(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def check(bantam, name, folder):
    problems = []
    source = FIXTURES / name
    cases = golden_onnx.read_cases(source / "golden.safetensors")
    for path, kind in ((folder / "two", "two"), (folder / "random", "random")):
        if make_twin(source, path, kind) == 0:
            problems.append(f"the {kind} twin is the checkpoint itself")
    bundles = {}
    for twin, path in (("itself", source), ("two", folder / "two"), ("random", folder / "random")):
        bundles[twin] = folder / f"bundle-{twin}"
        convert(bantam, path, bundles[twin])
    for key, path in (("plain", source), ("plain two", folder / "two")):
        bundles[key] = folder / f"bundle-{key.replace(' ', '-')}"
        convert(bantam, path, bundles[key], "--no-canonical")

    here, there = model_files(bundles["itself"]), model_files(bundles["two"])
    for file in sorted(set(here) | set(there)):
        if here.get(file) != there.get(file):
            problems.append(f"{file} of the twin by powers of two differs")
    here, there = model_files(bundles["plain"]), model_files(bundles["plain two"])
    if all(here[file] == there[file] for file in here if "_data" in file):
        problems.append("with --no-canonical the twin gives the same weights: it is no test")

    # What stands at padding is anybody's guess, and halves guess otherwise.
    inputs = next(inputs for inputs, _, _ in cases if inputs["attention_mask"].all())
    exact = outputs(bundles["plain"], "fp32", inputs)
    if (error := distance(outputs(bundles["itself"], "fp32", inputs), exact)) > 1e-6:
        problems.append(f"fp32 differs from --no-canonical by {error:.2g}")
    if (error := distance(outputs(bundles["random"], "fp32", inputs), exact)) > 1e-5:
        problems.append(f"fp32 of the random twin differs by {error:.2g}: the twin is another function")
    for dtype in SUFFIXES:
        own = distance(outputs(bundles["itself"], dtype, inputs), exact)
        twin = distance(outputs(bundles["random"], dtype, inputs), exact)
        plain = distance(outputs(bundles["plain two"], dtype, inputs), exact)
        print(f"  {dtype:6} itself {own:.2e}  random twin {twin:.2e}  (power-of-two twin with --no-canonical {plain:.2e})")
        # Halves of a random twin round elsewhere; codes hardly ever do.
        if abs(twin - own) > 0.1 * own + (2e-3 if dtype in ("fp16", "q4f16") else 1e-4):
            problems.append(f"{dtype}: the random twin is {twin:.3g} away, the checkpoint {own:.3g}")
    return problems


def check_exactness(bantam, name, folder):
    """What is declared free to rescale must be: fp32 computes the same with and without, and so does q8 but for its rounding (random
    weights may need no power of two, but always some factor)."""
    for path, options in ((folder / "canonical", []), (folder / "plain", ["--no-canonical"])):
        subprocess.run([bantam, "convert", str(FIXTURES / name), "-o", str(path), "--quiet", "--dtype", "fp32,q8", *options], check=True,
                       stdout=subprocess.DEVNULL)
    if model_files(folder / "canonical") == model_files(folder / "plain"):
        yield "nothing was rescaled"
    for inputs, _, _ in golden_onnx.read_cases(FIXTURES / name / "golden.safetensors"):
        if any(key.startswith("past") and value.size for key, value in inputs.items()):
            continue  # caches that PyTorch made
        if not inputs["attention_mask"].all():
            continue
        exact = outputs(folder / "plain", "fp32", inputs)
        if (error := distance(outputs(folder / "canonical", "fp32", inputs), exact)) > 1e-6:
            yield f"fp32 differs from --no-canonical by {error:.2g}"
        plain, error = (distance(outputs(folder / kind, "q8", inputs), exact) for kind in ("plain", "canonical"))
        if error > 2 * plain + 0.01:
            yield f"q8 is {error:.2g} from fp32, {plain:.2g} with --no-canonical"


CALIBRATED = {
    "awq": ("-d", "q4,q4f16", "--method", "awq"),
    "gptq": ("-d", "q4,q4f16", "--method", "gptq"),
    "smooth": ("-d", "q8,int8", "--smooth", "0.5"),
    "static": ("-d", "q8", "--static"),
    "smooth static": ("-d", "q8", "--smooth", "0.75", "--static"),
    "wanda": ("-d", "fp32,q8,q4", "--sparsity", "0.25"),
    "magnitude": ("-d", "fp32,q4", "--sparsity", "0.25", "--sparsity-method", "magnitude"),
}


def check_calibrated(bantam, folder):
    source = ROOT / "testdata/tiny-llama"
    texts = folder / "texts.txt"
    lines = (ROOT / "testdata/sentences.tsv").read_text().splitlines()[1:41]
    texts.write_text("\n".join(line.split("\t")[0] for line in lines) + "\n")
    assert make_twin(source, folder / "two", "two") > 0
    for name, options in CALIBRATED.items():
        files = {}
        for kind, path in (("itself", source), ("two", folder / "two")):
            bundle = folder / f"{name}-{kind}"
            subprocess.run([bantam, "convert", str(path), "-o", str(bundle), "--quiet", "--calibrate", str(texts), *options], check=True,
                           stdout=subprocess.DEVNULL)
            files[kind] = model_files(bundle)
        if files["itself"].keys() != files["two"].keys():
            yield f"{name}: other files"
        for file, data in files["itself"].items():
            if files["two"].get(file) != data:
                yield f"{name}: {file} of the twin by powers of two differs"


def main():
    bantam = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))
    failed = 0
    for name in sys.argv[1:] or NAMES:
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for problem in check(bantam, name, pathlib.Path(folder)):
                failed += 1
                print(f"  FAILED: {problem}")
    with tempfile.TemporaryDirectory() as folder:
        problems = list(check_calibrated(bantam, pathlib.Path(folder)))
        failed += len(problems)
        print("calibrated", *(problems or ["the same for the twin"]), sep=": ", flush=True)
    rest = [path.name for path in sorted(FIXTURES.iterdir()) if "text-generation" in path.name and path.name not in NAMES]
    for name in [] if sys.argv[1:] else rest + ["mobilebert-fill-mask", "distilbert-fill-mask", "albert-fill-mask", "mpnet-fill-mask"]:
        with tempfile.TemporaryDirectory() as folder:
            problems = list(check_exactness(bantam, name, pathlib.Path(folder)))
            failed += len(problems)
            print(name, *(problems or ["computes what it did"]), sep=": ", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
