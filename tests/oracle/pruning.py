#!/usr/bin/env python3
"""The table of docs/quality.md on pruned heads: score, bytes, divergence and wasm speed at several shares.

Prunes, then quantizes, and measures after each step what was lost; scores are by `bantam evaluate` on the bundle's files.
usage: pruning.py SHARED [--model sst2-distilbert-mini] [--shares 0.1,0.25,0.5]     (BANTAM names the binary)
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BANTAM = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))
NODE = os.environ.get("BANTAM_NODE", "node")
DTYPES = {"fp32": "model.onnx", "q8": "model_quantized.onnx", "q4": "model_q4.onnx"}


def run(*arguments):
    result = subprocess.run([BANTAM, *map(str, arguments)], text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=pathlib.Path)
    parser.add_argument("--model", default="sst2-distilbert-mini")
    parser.add_argument("--shares", default="0.1,0.25,0.5")
    arguments = parser.parse_args()
    source = arguments.shared / "models" / arguments.model
    data = arguments.shared / "data/sst2"
    with tempfile.TemporaryDirectory() as folder:
        rows, files = [], []
        for share in ["0", *arguments.shares.split(",")]:
            bundle = pathlib.Path(folder) / share
            prune = [] if share == "0" else ["--prune-heads", share, "--calibrate", data / "train.tsv", "--limit", "256"]
            # The calibration texts are for the heads: blocks are searched as without them, so that steps can be told apart.
            run("convert", source, "-o", bundle, "-d", ",".join(DTYPES), "--method", "search", "-q", *prune)
            report = json.loads(run("evaluate", bundle, "--reference", source, "--data", data / "dev.tsv", "--layers", "0", "--json", "-q"))
            heads = json.loads((bundle / "bantam.json").read_text())["recipe"].get("prune_heads", "")
            for variant in report["variants"]:
                files.append(bundle / "onnx" / DTYPES[variant["dtype"]])
                rows.append((share, heads, variant["dtype"], variant["bytes"], variant["score"]["value"], variant["kl_mean"]))
        speed = subprocess.run([NODE, ROOT / "benchmarks/wasm_speed.mjs", "128", *files], text=True, capture_output=True, check=True)
        times = [json.loads(line)["median_ms"] for line in speed.stdout.splitlines()]
    print("| heads left out | dtype | bytes | accuracy | change | KL | wasm, 128 tokens |")
    print("|:--|:--|--:|--:|--:|--:|--:|")
    whole = rows[0][4]
    base = {row[2]: time for row, time in zip(rows, times) if row[0] == "0"}
    for (share, heads, dtype, size, score, kl), time in zip(rows, times, strict=True):
        what = "none" if share == "0" else f"{float(share):.0%} ({heads})"
        print(f"| {what} | {dtype} | {size:,} | {score:.4f} | {score - whole:+.4f} | {kl:.2g} | {time / base[dtype]:.2f} of none |")


if __name__ == "__main__":
    main()
