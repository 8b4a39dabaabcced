"""Times the native runtime against onnxruntime on the same files, both taking turns in one run.

A MiniLM-shaped encoder (6 layers, hidden size 384, 12 heads; the weights are noise) as fp32, q8 and q4, and single
products. A ratio is onnxruntime's time by ours: above 1 we are faster. Both run the same number of times, one after the
other; times are the best of each, since a shared machine only ever adds to them, and the ratio of medians stands beside.
Memory is what a process of its own needs at most beyond what it needs before it opens the model.

    .venv/bin/python benchmarks/runtime.py --bantam build/release/apps/bantam/bantam \
        --tool build/release/benchmarks/runtime_bench
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from synthetic import write_checkpoint

SHAPES = [(1, 128), (8, 128), (32, 32)]
FILES = {"fp32": "model.onnx", "q8": "model_quantized.onnx", "q4": "model_q4.onnx"}
PAUSE = 0.05  # onnxruntime's threads spin for tens of milliseconds after a run, on the cores that we would use


def write_inputs(folder, inputs):
    os.makedirs(folder, exist_ok=True)
    for i, (name, array) in enumerate(inputs.items()):
        (pathlib.Path(folder) / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())


class Native:
    def __init__(self, tool, model, threads, inputs, folder):
        self.process = subprocess.Popen([tool, str(threads), model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{tool} cannot run {model}")
        write_inputs(folder, inputs)
        self.ask(f"load {folder}")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def run(self):
        return int(self.ask("run")) / 1e9

    def profile(self):
        line, lines = self.ask("profile"), []
        while line != ".":
            lines.append(line)
            line = self.process.stdout.readline().strip()
        rows = [(int(time), kind, int(calls)) for kind, calls, time in map(str.split, lines)]
        total = sum(row[0] for row in rows)
        for nanoseconds, kind, calls in sorted(rows, reverse=True)[:12]:
            print(f"    {kind:24} {calls:6} calls {nanoseconds / 1e6:9.1f} ms {100 * nanoseconds / total:5.1f} %")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    def __init__(self, model, threads, inputs, profile=False):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.enable_profiling = profile
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = inputs

    def run(self):
        begin = time.perf_counter()
        self.session.run(None, self.inputs)
        return time.perf_counter() - begin


def take_turns(native, peer, seconds):
    """([our times], [theirs]) of runs in turn."""
    for side in (native, peer, native, peer):
        side.run()
    ours, theirs, end = [], [], time.monotonic() + seconds
    while time.monotonic() < end or len(ours) < 5:
        ours.append(native.run())
        time.sleep(PAUSE)
        theirs.append(peer.run())
        time.sleep(PAUSE)
    return ours, theirs


def measure(options, title, model, inputs, threads, target):
    with tempfile.TemporaryDirectory() as folder:
        native = Native(options.tool, model, threads, inputs, folder)
        peer = Peer(model, threads, inputs)
        ours, theirs = take_turns(native, peer, options.seconds)
        best = min(theirs) / min(ours)
        median = statistics.median(theirs) / statistics.median(ours)
        print(f"| {title} | {threads} | {min(theirs) * 1e3:.3f} | {min(ours) * 1e3:.3f} | {best:.2f} | {median:.2f} | "
              f"{'' if max(best, median) >= target else '**missed**'} |", flush=True)
        if options.profile:
            native.profile()
        native.close()


def encoder_inputs(batch, length):
    rng = np.random.default_rng(1)
    return {"input_ids": rng.integers(0, 30522, (batch, length)), "attention_mask": np.ones((batch, length), np.int64),
            "token_type_ids": np.zeros((batch, length), np.int64)}


def in_order(model, inputs):
    """As the graph lists them."""
    return {value.name: inputs[value.name] for value in onnx.load(model, load_external_data=False).graph.input}


def encoders(options):
    folder = os.path.join(options.work, "checkpoint")
    bundle = os.path.join(options.work, "bundle")
    if not os.path.isdir(bundle):
        write_checkpoint(folder, 0, hidden=384, layers=6, head_size=32)
        subprocess.run([options.bantam, "convert", folder, "-o", bundle, "--dtype", ",".join(FILES), "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
    return {dtype: os.path.join(bundle, "onnx", file) for dtype, file in FILES.items()}


def product(path, op, m, k, n, level=None):
    """A model of one product with a constant right side; returns its inputs."""
    rng = np.random.default_rng(2)
    a = rng.standard_normal((m, k)).astype(np.float32)
    kind, out, domain, attributes, constants = TensorProto.FLOAT, TensorProto.FLOAT, "", {}, {}
    if op == "MatMul":
        constants["B"] = rng.standard_normal((k, n)).astype(np.float32)
    elif op == "MatMulInteger":
        a = rng.integers(0, 256, (m, k)).astype(np.uint8)
        constants["B"] = rng.integers(-127, 128, (k, n)).astype(np.int8)
        constants["a_zero"] = np.array(128, np.uint8)
        kind, out = TensorProto.UINT8, TensorProto.INT32
    else:
        blocks, domain = k // 32, "com.microsoft"
        constants["B"] = rng.integers(0, 256, (n, blocks, 16)).astype(np.uint8)
        constants["scales"] = rng.uniform(0.01, 0.02, n * blocks).astype(np.float32)
        attributes = {"K": k, "N": n, "bits": 4, "block_size": 32, "accuracy_level": level}
    node = helper.make_node(op, ["A", *constants], ["C"], domain=domain, **attributes)
    graph = helper.make_graph([node], "product", [helper.make_tensor_value_info("A", kind, [m, k])],
                              [helper.make_tensor_value_info("C", out, [m, n])],
                              [numpy_helper.from_array(array, name) for name, array in constants.items()])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return {"A": a}


def products(options):
    path = os.path.join(options.work, "product.onnx")
    for op, level, target in (("MatMul", None, 0.9), ("MatMulInteger", None, 0.9), ("MatMulNBits", 0, 0.9), ("MatMulNBits", 4, 0.7)):
        for m, k, n in ((1, 1024, 1024), (128, 384, 1536), (1024, 384, 384), (1024, 1536, 384)):
            title = f"{op}{'' if level is None else f' level {level}'} {m}x{k}x{n}"
            for threads in options.threads:
                if wanted(options, title):
                    measure(options, title, path, product(path, op, m, k, n, level), threads, target)


PEAK = """
import sys, resource
sys.path.insert(0, {here!r})
import runtime
model, batch, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
inputs = runtime.in_order(model, runtime.encoder_inputs(batch, length))
before = runtime.resident(runtime.os.getpid(), "VmRSS")
peer = runtime.Peer(model, 1, inputs)
for _ in range(3):
    peer.run()
print(runtime.resident(runtime.os.getpid(), "VmHWM") - before)
"""


def resident(pid, key):
    """MiB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(key))


def memory(options, dtype, model, batch, length):
    here = os.path.dirname(os.path.abspath(__file__))
    script = PEAK.format(here=here)
    done = subprocess.run([sys.executable, "-c", script, model, str(batch), str(length)], capture_output=True, text=True, check=True)
    theirs = float(done.stdout)
    with tempfile.TemporaryDirectory() as folder:
        native = Native(options.tool, model, 1, in_order(model, encoder_inputs(batch, length)), folder)
        for _ in range(3):
            native.run()
        ours = resident(native.process.pid, "VmHWM")  # the whole process
        native.close()
    print(f"| {dtype} {batch}x{length} | {theirs:.0f} | {ours:.0f} | {'' if ours <= theirs else '**missed**'} |", flush=True)


def wanted(options, title):
    return not options.only or any(word in title for word in options.only)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bantam", default="build/release/apps/bantam/bantam")
    parser.add_argument("--tool", default="build/release/benchmarks/runtime_bench")
    parser.add_argument("--work", default="/tmp/bantam-runtime-bench")
    parser.add_argument("--seconds", type=float, default=3, help="for each line (default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--only", nargs="*", help="lines whose title contains one of these")
    parser.add_argument("--profile", action="store_true", help="our time per op below each line")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    models = encoders(options)
    print(f"onnxruntime {onnxruntime.__version__}\n")
    print("| what | threads | onnxruntime ms | ours ms | ratio of the best | of medians | |\n|:--|--:|--:|--:|--:|--:|:--|")
    for dtype, model in models.items():
        for batch, length in SHAPES:
            for threads in options.threads:
                title = f"encoder {dtype} {batch}x{length}"
                if wanted(options, title):
                    measure(options, title, model, in_order(model, encoder_inputs(batch, length)), threads, 0.9)
    products(options)
    if wanted(options, "memory"):
        print("\n| peak memory | onnxruntime MiB | ours MiB | |\n|:--|--:|--:|:--|")
        for dtype, model in models.items():
            for batch, length in SHAPES:
                memory(options, dtype, model, batch, length)


if __name__ == "__main__":
    main()
