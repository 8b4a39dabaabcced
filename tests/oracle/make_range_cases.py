#!/usr/bin/env python3
"""Writes testdata/ranges/cases.json: histograms, and the ranges that onnxruntime's calibrators choose for them.

usage: make_range_cases.py     (Python with scripts/requirements-test.txt)
"""
import json
import pathlib

import numpy as np
import onnxruntime
import onnxruntime.quantization.calibrate as calibrate
from onnxruntime.quantization.calibrate import HistogramCollector

OUT = pathlib.Path(__file__).resolve().parents[2] / "testdata/ranges/cases.json"


def samples():
    random = np.random.default_rng(7)
    normal = random.standard_normal(40000)
    yield "normal", normal
    yield "gelu", normal * 0.5 * (1 + np.tanh(0.797885 * (normal + 0.044715 * normal**3)))
    yield "laplace", random.laplace(size=40000)
    yield "outliers", np.concatenate([normal, [31.0, -22.0, 40.0]])
    yield "student", random.standard_t(3, size=40000)
    yield "positive", np.abs(normal) ** 1.5
    yield "sparse", np.where(random.random(40000) < 0.9, 0, random.gamma(2, 1, size=40000))


def best_thresholds(collector, counts, edges, low, high, levels):
    """Every threshold whose divergence, as onnxruntime computes it in float32, is the least but for its rounding."""
    seen, plain = [], calibrate.entropy
    calibrate.entropy = lambda p, q: seen.append((p.size, float(plain(p, q)))) or plain(p, q)
    chosen = collector.compute_entropy()["x"][:2]
    calibrate.entropy = plain
    least = min(kl for _, kl in seen)
    ranges = []
    for size, kl in seen:
        if kl > least + 2e-7:
            continue
        half = (size - 1) // 2 if size < len(counts) else len(counts) // 2
        begin, end = len(counts) // 2 - half, min(len(counts) // 2 + half + 1, len(counts))
        ranges.append([max(float(edges[begin]), float(low)), min(float(edges[end]), float(high))])
    assert [float(c) for c in chosen] in ranges, (chosen, ranges)
    return ranges


def main():
    cases = []
    for name, values in samples():
        values = values.astype(np.float32)
        for bins, levels, percentile in ((128, 128, 99.9), (512, 128, 99.99), (2048, 256, 99.999)):
            collector = HistogramCollector("entropy", False, bins, levels, percentile, "same")
            collector.collect_value({"x": values})
            counts, edges, low, high, _ = collector.histogram_dict["x"]
            entropy = best_thresholds(collector, counts, edges, low, high, levels)
            cut = collector.compute_percentile()["x"][:2]
            cases.append({"name": f"{name}/{bins}", "counts": counts.tolist(), "largest": float(edges[-1]),
                          "low": float(low), "high": float(high), "levels": levels, "percentile": percentile,
                          "entropy": entropy, "cut": [float(e) for e in cut]})
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"made_by": f"onnxruntime {onnxruntime.__version__}, tests/oracle/make_range_cases.py",
                               "cases": cases}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
