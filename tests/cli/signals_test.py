#!/usr/bin/env python3
"""Ctrl-C, SIGTERM and closed terminals: the exit code says which, and nothing is left behind."""
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from bantam_cli import BANTAM
from sparse_checkpoint import write_checkpoint

class Interrupted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.source = cls.folder / "source"
        cls.source.mkdir()
        write_checkpoint(cls.source, layers=40)

    def start(self, **options):
        """A running conversion that has begun to write."""
        self.parent = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        process = subprocess.Popen([BANTAM, "convert", self.source, "-o", self.parent / "out", "--threads", "1"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if any(path.name.endswith("_data") for path in self.parent.rglob("*")):
                return process
            time.sleep(0.005)
        self.fail(f"never began to write: {process.communicate()}")

    def test_one_signal_ends_it_cleanly(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(number.name):
                process = self.start()
                process.send_signal(number)
                output, errors = process.communicate(timeout=60)
                self.assertEqual(process.returncode, code, errors)
                self.assertEqual(output, "")
                self.assertRegex(errors.splitlines()[-1], r"\Abantam: .*interrupted")
                self.assertEqual(list(self.parent.iterdir()), [], "something was left behind")

    def test_a_second_ctrl_c_kills(self):
        for _ in range(20):
            process = self.start()
            process.send_signal(signal.SIGINT)
            while self.catches(process, signal.SIGINT):  # until the first one was taken
                time.sleep(0.0002)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            if process.returncode == -signal.SIGINT:
                return
            self.assertEqual(process.returncode, 130, "it was quick to clean up; try again")
        self.fail("no second Ctrl-C killed it")

    @staticmethod
    def catches(process, number):
        for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
        return False

    def test_an_ignored_hangup_stays_ignored(self):
        process = self.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)


if __name__ == "__main__":
    unittest.main()
