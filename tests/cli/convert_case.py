"""What tests of `convert` share: a folder with texts, bundles made in it, and refusals that leave nothing behind."""
import hashlib
import json
import pathlib
import tempfile
import unittest

from bantam_cli import ROOT, run

SENTENCES = (ROOT / "testdata/sentences.tsv").read_text().splitlines()  # a heading first


class ConvertCase(unittest.TestCase):
    MODEL = ROOT / "testdata/sst2-bert-tiny"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    @classmethod
    def write_texts(cls, name, lines):
        path = cls.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    @classmethod
    def calibrate(cls, name, texts, *options):
        out = cls.folder / name
        result = run("calibrate", cls.MODEL, "--data", texts, "-o", out, "-q", *options)
        assert result.returncode == 0, result.stderr
        return out

    def convert(self, name, *options):
        out = self.folder / name
        result = run("convert", self.MODEL, "-o", out, "-q", *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out

    def manifest(self, bundle):
        return json.loads((bundle / "bantam.json").read_text())

    def weights(self, bundle):
        return hashlib.sha256(b"".join(p.read_bytes() for p in sorted((bundle / "onnx").iterdir()))).hexdigest()

    def refused(self, *parts, arguments, code, model=None):
        """One line with all `parts` in it, that exit code, and no bundle."""
        out = self.folder / "refused"
        result = run("convert", model or self.MODEL, "-o", out, "-q", *arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertFalse(out.exists())
