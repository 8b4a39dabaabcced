#!/usr/bin/env python3
"""`bantam verify` on what lists and tokenizers say, changed by hand and sealed again: digests of parts, a list that leaves out
the other, parts of a tokenizer that transformers.js has no class for."""
import json
import pathlib
import tempfile
import unittest

from bantam_cli import run
from bundle_edits import FIXTURES, Copies, convert, edit_json, seal, sha256

FOLDER = tempfile.TemporaryDirectory()
BUNDLE = pathlib.Path(FOLDER.name) / "bundle"
CHUNK = 1 << 20


def setUpModule():
    source = pathlib.Path(FOLDER.name) / "source"
    source.mkdir()
    fixture = FIXTURES / "bert-token-classification-tokenizer"
    for path in fixture.iterdir():
        if path.suffix != ".npz" and path.name != "golden.safetensors":
            (source / path.name).write_bytes(path.read_bytes())
    (source / "README.md").write_bytes(b"text " * (CHUNK // 2))  # two and a half chunks
    convert(source, BUNDLE, "--dtype", "fp32")


def tearDownModule():
    FOLDER.cleanup()


class Lists(unittest.TestCase):
    def setUp(self):
        self.copies = Copies(BUNDLE)
        self.addCleanup(self.copies.folder.cleanup)
        self.bundle = self.copies.fresh()

    def found(self, check, file, part):
        result = run("verify", self.bundle, "--json", "-q")
        findings = json.loads(result.stdout)["findings"]
        matching = [entry for entry in findings if (entry["check"], entry["file"], entry["severity"]) == (check, file, "error")]
        self.assertTrue(any(part in entry["message"] for entry in matching), findings)
        self.assertEqual(result.returncode, 1)

    def manifest(self, change):
        """A changed bantam.json, with SHA256SUMS that agree."""
        path = self.bundle / "bantam.json"
        value = json.loads(path.read_text())
        change(value, next(entry for entry in value["files"] if "chunks" in entry))
        path.write_text(json.dumps(value, indent=2) + "\n")
        sums = self.bundle / "SHA256SUMS"
        lines = [line for line in sums.read_text().splitlines() if not line.endswith("  bantam.json")]
        sums.write_text("\n".join(sorted([*lines, f"{sha256(path.read_bytes())}  bantam.json"], key=lambda line: line[66:])) + "\n")

    def test_sound(self):
        result = run("verify", self.bundle, "--json", "-q")
        self.assertEqual((json.loads(result.stdout)["findings"], result.returncode), ([], 0))

    def test_digests_of_chunks(self):
        self.manifest(lambda value, entry: entry["chunks"].__setitem__(1, "0" * 64))
        self.found("hashes", "bantam.json", "chunk 1 of ")

    def test_number_of_chunks(self):
        self.manifest(lambda value, entry: entry["chunks"].pop())
        self.found("hashes", "bantam.json", "lists 2 chunks of ")

    def test_size_of_chunks(self):
        self.manifest(lambda value, entry: value.update(chunk_bytes=CHUNK // 2))
        self.found("hashes", "bantam.json", "chunk_bytes is 524288")

    def test_each_list_names_the_other(self):
        sums = self.bundle / "SHA256SUMS"
        sums.write_text("".join(line for line in sums.read_text().splitlines(True) if not line.endswith("  bantam.json\n")))
        self.found("manifest", "SHA256SUMS", "does not list bantam.json")

    def test_parts_of_tokenizers_that_javascript_lacks(self):
        whole = {"type": "Nmt"}, {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]}
        for normalizer in whole:
            edit_json(self.bundle, "tokenizer.json", lambda value: value.update(normalizer=normalizer))
            self.found("tokenizer", "tokenizer.json", 'has a normalizer of type "Nmt"')
        edit_json(self.bundle, "tokenizer.json", lambda value: value.update(normalizer=None, pre_tokenizer={"type": "UnicodeScripts"}))
        self.found("tokenizer", "tokenizer.json", 'has a pre_tokenizer of type "UnicodeScripts"')

    def test_class_of_the_tokenizer(self):
        edit_json(self.bundle, "tokenizer_config.json", lambda value: value.update(tokenizer_class=3))
        self.found("tokenizer", "tokenizer_config.json", "tokenizer_class is no text")

    def test_sealing_alone_changes_nothing(self):
        seal(self.bundle)
        self.assertEqual(run("verify", self.bundle, "-q").returncode, 0)


if __name__ == "__main__":
    unittest.main()
