"""Times `bantam convert` on synthetic checkpoints against the cost of copying the source, in one run.

The baseline B is `cp` of the source's weight file followed by fsync, page cache warm. Every figure is the median of
--runs runs, B and the conversion taking turns, so that a noisy machine hits both. Needs Python with numpy.

    python3 benchmarks/convert.py --bantam build/release/apps/bantam/bantam --work /tmp/bench
"""
import argparse
import os
import shutil
import statistics
import subprocess
import time

from synthetic import DECODERS, write_checkpoint, write_decoder


def copy_seconds(source, target):
    if os.path.exists(target):
        os.remove(target)
    os.sync()
    begin = time.monotonic()
    subprocess.run(["cp", source, target], check=True)
    with open(target, "rb+") as file:
        os.fsync(file.fileno())
    seconds = time.monotonic() - begin
    os.remove(target)
    return seconds


def convert(options, folder, dtypes):
    out = os.path.join(options.work, "bundle")
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    begin = time.monotonic()
    process = subprocess.Popen([options.bantam, "convert", folder, "-o", out, "--dtype", dtypes, "--threads",
                                str(options.threads), "--quiet"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    if status != 0:
        raise SystemExit(f"convert failed: {status}")
    shutil.rmtree(out)
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(options, title, folder, path, dtypes):
    base, wall, cpu, memory = [], [], [], []
    for _ in range(options.runs):
        base.append(copy_seconds(path, os.path.join(options.work, "copy")))
        seconds, processor, peak = convert(options, folder, dtypes)
        wall.append(seconds)
        cpu.append(processor)
        memory.append(peak)
    b, t = statistics.median(base), statistics.median(wall)
    print(f"| {title} | {dtypes} | {b:.2f} | {t:.2f} | {t / b:.2f} | {statistics.median(cpu):.2f} | "
          f"{max(memory):.0f} |", flush=True)
    return b, t


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bantam", default="build/release/apps/bantam/bantam")
    parser.add_argument("--work", default="/tmp/bantam-bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--decoders", action="store_true", help="decoders' shapes alone")
    parser.add_argument("--large", action="store_true", help="also a 4 GB source, for its peak memory")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    print("| source | dtypes | B s | convert s | ratio to B | cpu s | peak MiB |\n|---|---|---|---|---|---|---|")
    cases = [("1 GB float32", 268e6, "float32", 1024, ["fp16", "q8", "q4", "fp32"]),
             ("0.5B parameters bfloat16", 500e6, "bfloat16", 1280, ["fp16", "q8", "q4", "q4f16", "fp16,q8,q4,q4f16"])]
    if options.large:
        cases.append(("4 GB float32", 1070e6, "float32", 2048, ["fp16,q8,q4,q4f16"]))
    for shape in DECODERS if options.decoders else []:
        folder = os.path.join(options.work, "source")
        path, _ = write_decoder(folder, shape)
        for dtypes in ("q4f16", "fp16,q8,q4,q4f16"):
            measure(options, f"{shape} bfloat16", folder, path, dtypes)
        shutil.rmtree(folder)
    for title, parameters, dtype, hidden, lists in [] if options.decoders else cases:
        folder = os.path.join(options.work, "source")
        path, _ = write_checkpoint(folder, parameters, dtype, hidden)
        times = {dtypes: measure(options, title, folder, path, dtypes) for dtypes in lists}
        together = [key for key in times if "," in key]
        alone = [value[1] for key, value in times.items() if "," not in key]
        if together and alone:
            b, t = times[together[0]]
            print(f"\nTogether: {t:.2f} s, {(t - max(alone)) / b:.2f} B beyond the slowest alone.\n", flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
