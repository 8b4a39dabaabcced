#!/usr/bin/env python3
"""pytorch_model.bin: the bundle is the one that the same weights in safetensors give, and no pickle is ever run."""
import builtins
import json
import os
import pathlib
import pickle
import shutil
import struct
import subprocess
import tempfile
import unittest
import zipfile

from bantam_cli import run
from checkpoints import CONFIG, ENTRIES, QUERY, write_checkpoint
from torch_files import Ask, archive, malicious, number, tensor, text, torch_save

TESTDATA = pathlib.Path(os.environ["BANTAM_SOURCE_DIR"]) / "testdata"


def files_of(bundle):
    """What does not tell where the weights came from: all but the manifest and the sums over it."""
    return {str(path.relative_to(bundle)): path.read_bytes() for path in sorted(bundle.rglob("*"))
            if path.is_file() and path.name not in ("bantam.json", "SHA256SUMS")}


class TorchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "bin").mkdir()
        self.source = self.folder / "bin/model"
        self.source.mkdir()

    def convert(self, source, *more):
        target = self.folder / f"out-{len(list(self.folder.iterdir()))}"
        result = run("convert", source, "-o", target, "--threads", "2", *more)
        return result, target

    def refused(self, data, *parts):
        (self.source / "config.json").write_text(json.dumps(CONFIG))
        (self.source / "pytorch_model.bin").write_bytes(data)
        before = sorted(os.listdir(self.folder))
        result, _ = self.convert(self.source)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.rstrip("\n").isprintable(), result.stderr)
        self.assertLess(len(result.stderr), 1500)
        for part in (str(self.source), *parts):
            self.assertIn(part, result.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before, "something was left behind")


class Twins(TorchTest):
    def check(self, twin, entries_or_file):
        (self.source / "config.json").write_bytes((twin / "config.json").read_bytes())
        if isinstance(entries_or_file, bytes):
            (self.source / "pytorch_model.bin").write_bytes(entries_or_file)
        expected, expected_bundle = self.convert(twin)
        actual, bundle = self.convert(self.source)
        self.assertEqual((expected.returncode, actual.returncode), (0, 0), expected.stderr + actual.stderr)
        self.assertEqual(files_of(bundle), files_of(expected_bundle))
        self.assertIn("onnx/model_q4.onnx_data", files_of(bundle))
        return json.loads((bundle / "bantam.json").read_text())

    def test_files_of_torch_save_give_the_bundles_of_their_safetensors(self):
        for name in ("bert-text-classification-3", "bert-fill-mask"):
            with self.subTest(name):
                twin = self.folder / name / "model"
                twin.mkdir(parents=True)
                for file in ("config.json", "model.safetensors"):
                    shutil.copy(TESTDATA / "fixtures" / name / file, twin)
                manifest = self.check(twin, (TESTDATA / f"torch/{name}.bin").read_bytes())
                self.assertEqual([f["name"] for f in manifest["source"]["files"]], ["pytorch_model.bin"])

    def test_what_the_standard_library_wrote(self):
        twin = write_checkpoint(self.folder / "safetensors/model")
        self.check(twin, torch_save(ENTRIES))

    def test_shards(self):
        twin = write_checkpoint(self.folder / "safetensors/model")
        weight_map = {}
        for shard in range(2):
            part = dict(list(ENTRIES.items())[shard::2])
            name = f"pytorch_model-{shard + 1:05}-of-00002.bin"
            (self.source / name).write_bytes(torch_save(part))
            weight_map |= dict.fromkeys(part, name)
        (self.source / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
        manifest = self.check(twin, None)
        self.assertEqual(len(manifest["source"]["files"]), 2)

    def test_inspect(self):
        (self.source / "config.json").write_text(json.dumps(CONFIG))
        (self.source / "pytorch_model.bin").write_bytes(torch_save(ENTRIES))
        result = run("inspect", self.source, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual((report["kind"], report["family"], len(report["tensors"])), ("checkpoint", "bert", len(ENTRIES)))
        self.assertEqual({t["file"] for t in report["tensors"]}, {"pytorch_model.bin"})
        result = run("inspect", self.source / "pytorch_model.bin", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["kind"], "torch")
        self.assertEqual(json.loads(result.stdout)["parameters"], report["parameters"])


class Malice(TorchTest):
    def test_pickles_that_would_run_something(self):
        owned = self.folder / "bin/owned"
        cases = {
            "posix.system": Ask(os.system, f"touch {owned}"),
            "builtin__.eval": Ask(eval, f"open({str(owned)!r}, 'w')"),
            "builtin__.exec": Ask(exec, f"open({str(owned)!r}, 'w')"),
            ".Popen": Ask(subprocess.Popen, ["touch", str(owned)]),
            "shutil.rmtree": Ask(shutil.rmtree, str(self.folder)),
            "builtin__.getattr": Ask(getattr, Ask(builtins.__import__, "os"), "system"),
        }
        for name, ask in cases.items():
            with self.subTest(name):
                self.refused(malicious(ask), "pickle asks for", name, "refused")
                self.assertFalse(owned.exists())
        # The files do what they say where somebody loads them.
        pickle.loads(pickle.dumps(cases["posix.system"], protocol=2))
        self.assertTrue(owned.exists())

    def test_pickles_of_every_protocol(self):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            with self.subTest(protocol):
                self.refused(archive(pickle.dumps({"w": Ask(os.system, "false")}, protocol=protocol), {}), "posix.system", "refused")

    def test_a_call_inside_of_a_tensor(self):
        good = tensor("0", "F32", [1], 1)
        call = pickle.dumps(Ask(os.system, "false"), protocol=2)[2:-1]
        self.refused(archive(b"\x80\x02}" + text("w") + good.replace(b"\x89", call, 1) + b"s.", {"0": b"\0" * 4}), "posix.system")

    def test_bombs(self):
        laughs = b"]q\x00"
        for i in range(200):
            laughs += b"](" + bytes([ord("h"), i, ord("h"), i]) + b"eq" + bytes([i + 1])
        cases = {
            "values": (b"\x80\x02" + b"N" * 5_000_000 + b".", "more than"),
            "marks": (b"\x80\x02" + b"(" * 5_000_000 + b".", "nested"),
            "memo": (b"\x80\x02]" + b"".join(b"r" + struct.pack("<I", i) for i in range(2_200_000)) + b".", "remembers"),
            "a length": (b"\x80\x02X\xff\xff\xff\xff.", "cut off"),
            "laughs": (b"\x80\x02" + laughs + b".", "where one was expected"),
            "size": (b"\x80\x02" + b"N" * (33 << 20) + b".", "at most"),
        }
        for name, (data, part) in cases.items():
            with self.subTest(name):
                self.refused(archive(data, {}), part)

    def test_tensors_and_storages_that_lie(self):
        def with_query(count, content, shape=(48, 48), **more):
            entries = {name: entry for name, entry in ENTRIES.items() if name != QUERY}
            body, storages = b"", {"q": content}
            for i, (name, (dtype, dims, data)) in enumerate(entries.items()):
                storages[str(i)] = data
                body += text(name) + tensor(str(i), dtype, dims, len(data) // 4)
            body += text(QUERY) + tensor("q", "F32", list(shape), count, **more)
            return archive(b"\x80\x02}(" + body + b"u.", storages)
        right = ENTRIES[QUERY][2]
        self.refused(with_query(2304, right[:-4]), QUERY, "9212 bytes", "9216")
        self.refused(with_query(2304, right + b"\0"), QUERY, "9217 bytes")
        self.refused(with_query(2304, right, offset=1), "beyond its storage")
        self.refused(with_query(2304, right, strides=[49, 1]), "beyond its storage")
        self.refused(with_query(2304, right, shape=(2**40, 2**40), strides=[0, 0]), "too large")
        self.refused(with_query(2**50, right), QUERY, "9216 bytes")
        self.refused(with_query(2304, right, shape=(48, 24), strides=[48, 1]), QUERY, "[48, 24]")  # another shape than config.json's

    def test_archives_that_are_not_as_torch_writes_them(self):
        whole = torch_save(ENTRIES)
        for length in (0, 3, 40, len(whole) // 2, len(whole) - 1):
            with self.subTest(length):
                self.refused(whole[:length])
        self.refused(torch_save(ENTRIES, compression=zipfile.ZIP_DEFLATED), "compressed")
        self.refused(torch_save(ENTRIES, byteorder="big"), "byte order")
        self.refused((TESTDATA / "torch/legacy.bin").read_bytes(), "torch before 1.6", "torch.load")
        self.refused((TESTDATA / "torch/module.bin").read_bytes(), "torch.nn.modules.container.Sequential")
        self.refused(b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS")
        self.refused(b"\x80\x02}" + number(1) + number(2) + b"s.", "torch before 1.6")


if __name__ == "__main__":
    unittest.main()
