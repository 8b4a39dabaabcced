#!/usr/bin/env python3
"""The table of docs/quality.md on sparsity: score, divergence and bytes, as they are and compressed, at several shares.

usage: sparsity_table.py SHARED     (BANTAM names the binary)
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BANTAM = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))


def run(*arguments):
    result = subprocess.run([BANTAM, *map(str, arguments)], text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def sizes(bundle, variant):
    """Bytes of graph and shards, and of their twins (of small files, which have none, the file)."""
    files = {file["name"]: file["bytes"] for file in json.loads((bundle / "bantam.json").read_text())["files"]}
    mine = [name for name in files if name == variant["file"] or name.startswith(variant["file"] + "_data") and name[-1].isalnum()
            and not name.endswith((".gz", ".zst"))]
    return [sum(files.get(name + end, files[name]) for name in mine) for end in ("", ".gz", ".zst")]


def main(shared):
    cases = [("sst2-distilbert-mini", "fp32,fp16,q8,q4", shared / "data/sst2/train.tsv", shared / "data/sst2/dev.tsv", []),
             ("pycode-qwen2", "fp16,q8,q4f16", shared / "data/pycode-text/calibration.txt", shared / "data/pycode-text/eval.txt",
              ["--max-length", "512"])]
    print("| model | zeros | by | dtype | score | KL | bytes | gzip twins | zstd twins |")
    print("|:--|--:|:--|:--|--:|--:|--:|--:|--:|")
    for model, dtypes, calibration, data, more in cases:
        for share, method in (("0", ""), ("0.2", "magnitude"), ("0.2", "wanda"), ("0.3", "magnitude"), ("0.3", "wanda")):
            with tempfile.TemporaryDirectory() as folder:
                bundle = pathlib.Path(folder) / "bundle"
                sparse = ["--sparsity", share, "--sparsity-method", method] if method else []
                texts = ["--calibrate", calibration, "--limit", "256" if not more else "40"] if method == "wanda" else []
                # Blocks are searched for alike, so that it is the zeros that are compared.
                run("convert", shared / "models" / model, "-o", bundle, "-d", dtypes, "--method", "search", "--compress", "gzip,zstd", "-q",
                    *sparse, *texts)
                report = json.loads(run("evaluate", bundle, "--reference", shared / "models" / model, "--data", data, "--layers", "0", "--json",
                                        "-q", *more, *(["--limit", "20"] if more else [])))
                variants = {v["dtype"]: v for v in json.loads((bundle / "bantam.json").read_text())["variants"]}
                for variant in report["variants"]:
                    plain, gz, zst = sizes(bundle, variants[variant["dtype"]])
                    print(f"| {model} | {share if method else 'none'} | {method} | {variant['dtype']} | {variant['score']['value']:.4f} | {variant['kl_mean']:.2g} "
                          f"| {plain:,} | {gz / plain:.3f} | {zst / plain:.3f} |", flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
