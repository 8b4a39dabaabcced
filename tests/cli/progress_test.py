#!/usr/bin/env python3
"""Progress on stderr: a line that redraws itself on a terminal, plain lines elsewhere, nothing with --quiet."""
import os
import pathlib
import pty
import re
import subprocess
import tempfile
import unittest

from bantam_cli import BANTAM, run
from sparse_checkpoint import write_checkpoint


class Progress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        for name, layers in (("large", 64), ("small", 1)):
            (cls.folder / name).mkdir()
            write_checkpoint(cls.folder / name, layers)

    def arguments(self, *more, source="small"):
        dtype = "q4" if source == "large" else "fp32"  # seconds of work, little to write
        return ["convert", self.folder / source, "-o", self.folder / "out", "--force", "--threads", "1", "--dtype", dtype, *more]

    def on_terminal(self, *, source="small", **env):
        """What a terminal of 80 columns gets to see on stderr."""
        terminal, stderr = pty.openpty()
        process = subprocess.Popen([BANTAM, *self.arguments(source=source)], stdout=subprocess.DEVNULL, stderr=stderr,
                                   env={"PATH": "/usr/bin", "TERM": "xterm", **env})
        os.close(stderr)
        seen = b""
        while True:
            try:
                block = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            seen += block
        os.close(terminal)
        self.assertEqual(process.wait(), 0)
        return seen.decode()

    def test_on_a_terminal_one_line_redraws_itself_and_goes(self):
        seen = self.on_terminal(source="large")
        bar = re.findall(r"\r([^\r\n]*)\x1b\[K", seen)
        self.assertGreater(len(bar), 2, seen)
        self.assertTrue(any(re.search(r"\d+%  [\d.]+ [GM]iB/s  [\d.]+ s left", line) for line in bar), seen)
        self.assertIn("\x1b[32m", seen)
        # What is left on the screen when all is erased: notes only.
        left = re.sub(r"\r[^\r\n]*\x1b\[K", "", seen)
        self.assertEqual([line for line in left.splitlines() if not line.startswith("bantam: note:")], [])
        plain = [re.sub(r"\x1b\[\d*m", "", line) for line in bar]
        self.assertLess(max(map(len, plain)), 80)

    def test_no_color_has_no_colours(self):
        seen = self.on_terminal(source="large", NO_COLOR="1")
        self.assertIn("%", seen)
        self.assertNotRegex(seen, r"\x1b\[\d+m")

    def test_a_dumb_terminal_gets_plain_lines(self):
        self.assertNotIn("\x1b", self.on_terminal(TERM="dumb"))

    def test_piped_it_is_plain_lines(self):
        result = run(*self.arguments())
        self.assertEqual(result.returncode, 0)
        self.assertNotRegex(result.stderr, r"[\x1b\r]")
        for line in result.stderr.splitlines():
            self.assertRegex(line, r"\Abantam: ")
        self.assertRegex(result.stderr, r"(?m)^bantam: encode: [\d.]+ MiB in [\d.]+ s \([\d.]+ [GM]iB/s\)$")

    def test_quiet_says_nothing(self):
        result = run(*self.arguments("--quiet"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_verbose_logs_steps_with_times(self):
        result = run(*self.arguments("--verbose"))
        self.assertEqual(result.returncode, 0)
        for line in result.stderr.splitlines():
            self.assertRegex(line, r"\Abantam: \[ *\d+\.\d{3} s\] (info|warning): ")
        self.assertIn("info: encode: begins", result.stderr)


if __name__ == "__main__":
    unittest.main()
