#!/usr/bin/env python3
"""Time and memory of bantam calibrate on a MiniLM-shaped model (6 layers of 384, noise for weights).

usage: calibrate.py DATA.tsv [--texts 256 ...] [--what ranges]     e.g. SST-2's train.tsv; its first sentences are taken
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

from synthetic import write_checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[1]


# The kernel counts what a process was before it became the command: the command needs a small parent.
PARENT = """import os, subprocess, sys, time
begin = time.monotonic()
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid, 0)
print(status, time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)"""


def measured(command):
    """Seconds, seconds of processor, and MB (10^6 bytes) of resident memory at most."""
    done = subprocess.run([sys.executable, "-S", "-c", PARENT, *map(str, command)], check=True, capture_output=True, text=True)
    status, *numbers = map(float, done.stdout.split())
    assert status == 0, command
    return numbers


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--texts", type=int, nargs="*", default=[64, 256, 1024])
    parser.add_argument("--what", default="ranges")
    parser.add_argument("--bantam", default=str(ROOT / "build/release/apps/bantam/bantam"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model = folder / "model"
        write_checkpoint(str(model), 0, hidden=384, layers=6, head_size=32)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(ROOT / "testdata/sst2-bert-tiny" / name, model)
        lines = pathlib.Path(options.data).read_text().splitlines()
        for texts in options.texts:
            data = folder / f"{texts}.tsv"
            data.write_text("\n".join(lines[:texts]) + "\n")
            runs = [measured([options.bantam, "calibrate", model, "--data", data, "--what", options.what, "-q", "-f",
                              "-o", folder / "stats"]) for _ in range(5)]
            wall, cpu, memory = min(runs)
            print(f"{texts} texts: {wall:.2f} s ({cpu:.2f} s of processor), {memory:.0f} MB")


if __name__ == "__main__":
    main()
