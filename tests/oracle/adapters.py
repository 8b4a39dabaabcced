#!/usr/bin/env python3
"""Bundles of a base and a LoRA adapter, run by onnxruntime: what PyTorch computes after PEFT's merge_and_unload."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from golden_onnx import check

ROOT = pathlib.Path(__file__).parents[2]
BANTAM = os.environ["BANTAM"]


def main():
    adapters = sorted(path.parent for path in (ROOT / "testdata/adapters").glob("*/adapter_config.json"))
    failures = 0
    for adapter in adapters:
        base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
        with tempfile.TemporaryDirectory() as folder:
            bundle = pathlib.Path(folder) / "bundle"
            subprocess.run([BANTAM, "convert", ROOT / "testdata/fixtures" / base, "--adapter", adapter, "-o", bundle,
                            "--dtype", "fp32", "--no-canonical", "-q"], check=True, stdout=subprocess.DEVNULL)
            good = check(bundle, adapter / "golden.safetensors", report=lambda line: print(f"{adapter.name}: {line}"))
            failures += not good
    print(f"{len(adapters)} adapters, {failures} failures")
    sys.exit(1 if failures or not adapters else 0)


if __name__ == "__main__":
    main()
