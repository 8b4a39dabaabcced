#!/usr/bin/env python3
"""Runs that run out of something, are interrupted late, or meet another run: whole bundles or nothing."""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from bantam_cli import BANTAM, run
from checkpoints import write_checkpoint
from sparse_checkpoint import write_checkpoint as write_sparse_checkpoint


class Resources(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source = write_checkpoint(self.folder / "source")
        self.target = self.folder / "target"
        self.target.mkdir()
        self.out = self.target / "out"

    def check_bundle(self):
        self.assertEqual(os.listdir(self.target), ["out"])
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=self.out, check=True)

    def failed(self, result, *parts):
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        last = result.stderr.splitlines()[-1]
        self.assertTrue(last.startswith("bantam: "), result.stderr)
        for part in parts:
            self.assertIn(part, last)


class Space(Resources):
    def test_files_may_not_grow(self):
        for bytes_ in (0, 1000, 30_000, 100_000):
            with self.subTest(bytes_):
                def limit(bytes_=bytes_):
                    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))
                result = run("convert", self.source, "-o", self.out, "--dtype", "fp32", "-q", preexec_fn=limit)
                self.failed(result, "File too large", "out")
                self.assertEqual(os.listdir(self.target), [])

    def test_no_files_may_be_opened(self):
        result = run("convert", self.source, "-o", self.out, "-q",
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8)))
        self.failed(result, "Too many open files")
        self.assertEqual(os.listdir(self.target), [])

    def on_small_disk(self, kib, *more):
        """Converts onto a file system of that size; the bundle's parent is empty afterwards unless it succeeded."""
        script = f"mount -t tmpfs -o size={kib}k none \"$1\" && shift && \"$@\"; code=$?; ls -A {self.target} >&2; exit $code"
        return subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", self.target, BANTAM, "convert", self.source, "-o",
                               self.out, "-q", *more], text=True, capture_output=True)

    def test_the_disk_is_too_small(self):
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", self.target], capture_output=True, text=True)
        if probe.returncode != 0:
            self.skipTest(f"no file system of our own can be mounted here: {probe.stderr.strip()}")
        result = self.on_small_disk(200, "--dtype", "fp32")
        self.failed(result, str(self.target), "are free and", "are needed")
        # What depends on the data is not known before: compressed twins run into the end of the disk.
        plan = run("convert", self.source, "--dtype", "fp32", "--dry-run").stdout
        total = int(next(line for line in plan.splitlines() if line.startswith("total")).split()[1].replace(",", ""))
        result = self.on_small_disk(total // 1024 + 60, "--dtype", "fp32", "--compress", "zstd,gzip")
        self.failed(result, "No space left on device", ".onnx_data.")
        self.assertEqual(self.on_small_disk(4096, "--dtype", "fp32").returncode, 0)


class Interrupted(Resources):
    def test_in_every_phase(self):
        shutil.rmtree(self.source)
        self.source.mkdir()
        write_sparse_checkpoint(self.source, layers=10)
        for phase, options in (("encode", ["--dtype", "q4"]), ("hash", ["--dtype", "fp32"]),
                               ("compress", ["--dtype", "fp32", "--compress", "gzip"]), ("measure", ["--dtype", "fp16"])):
            with self.subTest(phase):
                process = subprocess.Popen([BANTAM, "convert", self.source, "-o", self.out, "--threads", "1", "--verbose", *options],
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                seen = []
                for line in process.stderr:
                    seen.append(line)
                    if f"info: {phase}: begins" in line:
                        process.send_signal(signal.SIGTERM)
                        break
                else:
                    self.fail("".join(seen))
                begin = time.monotonic()
                output, errors = process.communicate(timeout=60)
                self.assertEqual((process.returncode, output), (143, ""), "".join(seen) + errors)
                self.assertLess(time.monotonic() - begin, 5, "it took long to stop")
                self.assertRegex(errors.splitlines()[-1], r"\Abantam: .*interrupted; nothing was written\Z")
                self.assertEqual(os.listdir(self.target), [])


class Together(Resources):
    def start(self, count, *more):
        return [subprocess.Popen([BANTAM, "convert", self.source, "-o", self.out, *more], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(count)]

    def test_one_of_several_runs_gets_the_target(self):
        for _ in range(5):
            results = [(process.communicate(timeout=120), process.returncode) for process in self.start(3)]
            codes = sorted(code for _, code in results)
            self.assertEqual(codes, [0, 1, 1], results)
            for (_, errors), code in results:
                if code:
                    self.assertRegex(errors.splitlines()[-1], r"\Abantam: .*out: (exists already|was made by somebody else)")
            self.check_bundle()
            shutil.rmtree(self.out)

    def test_with_force_every_run_succeeds_and_one_bundle_stays(self):
        for _ in range(3):
            for process in self.start(3, "--force"):
                _, errors = process.communicate(timeout=120)
                self.assertEqual(process.returncode, 0, errors)
            self.check_bundle()


if __name__ == "__main__":
    unittest.main()
