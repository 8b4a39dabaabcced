#!/usr/bin/env python3
"""`bantam inspect` from outside: JSON with stable keys, tables that line up, one line for what cannot be shown."""
import json
import pathlib
import re
import struct
import tempfile
import unittest

from bantam_cli import ROOT, run
from checkpoints import ENTRIES, QUERY, WORDS, count, safetensors, shapes, write_checkpoint

PARAMETERS = sum(count(shape) for shape in shapes().values())


class Inspect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.source = write_checkpoint(cls.folder / "source")
        cls.bundle = cls.folder / "bundle"
        result = run("convert", cls.source, "-o", cls.bundle, "-q")
        assert result.returncode == 0, result.stderr
        cls.paths = {"checkpoint": cls.source, "safetensors": cls.source / "model.safetensors",
                     "onnx": cls.bundle / "onnx/model_q4.onnx", "bundle": cls.bundle}

    def shown(self, path, *more, **options):
        result = run("inspect", path, *more, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout


class Json(Inspect):
    def test_has_the_same_keys_for_everything(self):
        required = json.loads((ROOT / "schemas/inspect.schema.json").read_text())["required"]
        for kind, path in self.paths.items():
            with self.subTest(kind):
                seen = json.loads(self.shown(path, "--json"))
                self.assertEqual(set(seen), set(required))
                self.assertEqual(seen["kind"], kind)
                self.assertEqual(seen["path"], str(path))

    def test_adds_up(self):
        for kind, path in self.paths.items():
            with self.subTest(kind):
                seen = json.loads(self.shown(path, "--json"))
                for content in [seen, *seen["variants"]]:
                    stored = sum(tensor["bytes"] for tensor in content["tensors"])
                    self.assertEqual(sum(total["bytes"] for total in content["dtypes"]), stored)
                    self.assertEqual(sum(total["tensors"] for total in content["dtypes"]), len(content["tensors"]))
                self.assertEqual(seen["bytes"], sum(file["bytes"] for file in seen["files"]))

    def test_knows_the_model(self):
        seen = json.loads(self.shown(self.source, "--json"))
        self.assertEqual((seen["family"], seen["task"], seen["parameters"]), ("bert", "fill-mask", PARAMETERS))
        self.assertEqual({tensor["name"]: tensor["shape"] for tensor in seen["tensors"]}, shapes())
        roles = {tensor["name"]: tensor["role"] for tensor in seen["tensors"]}
        self.assertEqual((roles[WORDS], roles[QUERY]), ("word_embedding", "attention_q"))
        self.assertEqual(json.loads(self.shown(self.bundle, "--json"))["parameters"], PARAMETERS)
        self.assertEqual([value["name"] for value in seen["inputs"]], ["input_ids", "attention_mask", "token_type_ids"])
        self.assertEqual(seen["outputs"][0]["dims"], ["batch_size", "sequence_length", 211])

    def test_reads_no_weights(self):
        # The header describes 4 TB, the file is a hole of that length.
        path = self.folder / "hole.safetensors"
        header = {"w": {"dtype": "F32", "shape": [2**20, 2**20], "data_offsets": [0, 2**42]}}
        with open(path, "wb") as file:
            data = safetensors(header, b"")
            file.write(data)
            file.truncate(len(data) + 2**42)
        self.assertEqual(json.loads(self.shown(path, "--json"))["parameters"], 2**40)


class Tables(Inspect):
    def test_line_up(self):
        for kind, path in self.paths.items():
            for more in ((), ("--all",)):
                with self.subTest(kind=kind, more=more):
                    text = self.shown(path, *more)
                    self.assertNotRegex(text, r"(?m)[ \t]$", "trailing spaces")
                    tables = re.findall(r"(?m)^(.*)\n((?:-+  )*-+)\n((?:.+\n)+)", text)
                    self.assertGreater(len(tables), 1 if kind == "safetensors" else 3)
                    for title, rule, rows in tables:
                        gaps = [match.start() for match in re.finditer("  ", rule)]
                        for row in [title, *rows.splitlines()]:
                            if row.startswith(("Opsets:", "The largest", "All")):
                                continue
                            for gap in gaps:
                                self.assertIn(row[gap:gap + 2].strip(), "", f"{row!r} crosses a column of {rule!r}")

    def test_tell_of_the_model_first(self):
        first = self.shown(self.source).splitlines()[0]
        self.assertTrue(first.startswith(f"{self.source}: checkpoint, bert, fill-mask, {PARAMETERS:,} parameters, "), first)

    def test_list_the_largest_tensors_or_all(self):
        few, all_ = self.shown(self.source), self.shown(self.source, "--all")
        self.assertIn("The largest 10 of", few)
        self.assertIn(WORDS, few)
        self.assertNotIn("cls.predictions.bias", few)
        for name in shapes():
            self.assertIn(name, all_)

    def test_show_hostile_names_harmlessly(self):
        path = self.folder / "hostile.safetensors"
        header = {"\u202eevil\u9999": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
                  "__metadata__": {"for\x1bmat": "\x1b[31m\n"}}
        path.write_bytes(safetensors(header, b"\0\0"))
        text = self.shown(path)
        self.assertTrue(text.replace("\n", "").isprintable(), repr(text))
        self.assertIn("evil\u9999", text)


class Refused(Inspect):
    def refused(self, path, *parts, **options):
        result = run("inspect", path, **options)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("bantam: "))
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_paths_that_hold_nothing_to_show(self):
        self.refused(self.folder / "absent", "No such file")
        self.refused(self.folder / "absent.onnx", "No such file")
        self.refused("nobody/nothing", "hf download", env={"HF_HUB_CACHE": str(self.folder)}, cwd=self.folder)
        self.refused(self.folder, "neither config.json nor bantam.json")
        self.refused(self.source / "config.json", "neither a .safetensors, a .bin (torch.save) nor an .onnx")
        self.refused("/dev/null", "not a regular file")
        self.refused("", "no source")

    def test_files_that_are_damaged(self):
        bundle = self.folder / "damaged"
        cases = {
            "cut.safetensors": ((self.source / "model.safetensors").read_bytes()[:-3], "truncated"),
            "cut.onnx": (self.paths["onnx"].read_bytes()[:-100], "cut off"),
            "empty.onnx": (b"", "not an ONNX model"),
            "lfs.safetensors": (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS"),
            "long.safetensors": (struct.pack("<Q", 2**62) + b"{}", "header"),
            "moved.onnx": (self.paths["onnx"].read_bytes(), "model_q4.onnx_data"),
        }
        bundle.mkdir()
        for name, (data, part) in cases.items():
            with self.subTest(name):
                (bundle / name).write_bytes(data)
                self.refused(bundle / name, name if name != "moved.onnx" else "damaged", part)

    def test_the_whole_checkpoint_is_checked_by_its_header(self):
        entries = dict(ENTRIES)
        del entries[QUERY]
        source = write_checkpoint(self.folder / "lacking", entries=entries)
        text = self.shown(source)
        self.assertIn("Note: bantam convert would refuse this checkpoint", text)
        self.assertIn(QUERY.removeprefix("bert."), text)


if __name__ == "__main__":
    unittest.main()
