#!/usr/bin/env python3
"""bantam convert --adapter: what is merged is said in the bundle; what cannot be merged is refused by its name."""
import array
import json
import pathlib
import random
import shutil
import tempfile
import unittest

from bantam_cli import run
from checkpoints import ENTRIES, QUERY, floats, write_checkpoint, write_safetensors
from torch_files import Ask, malicious, torch_save

MODULE = QUERY.removesuffix(".weight")
CONFIG = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "task_type": None, "target_modules": ["query"]}


def lora(module=MODULE, rank=3, rows=48, width=48):
    def entry(name, shape):
        return ("F32", shape, floats(name, shape).tobytes())
    name = f"base_model.model.{module}"
    return {f"{name}.lora_A.weight": entry("A" + module, [rank, width]), f"{name}.lora_B.weight": entry("B" + module, [rows, rank])}


class AdapterTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source = write_checkpoint(self.folder / "source/model")
        self.adapter = self.folder / "my-lora"
        self.adapter.mkdir()
        (self.folder / "target").mkdir()
        self.write_adapter()

    def write_adapter(self, entries=None, **config):
        (self.adapter / "adapter_config.json").write_text(json.dumps(CONFIG | config))
        write_safetensors(self.adapter / "adapter_model.safetensors", entries or lora())

    def convert(self, *more, output="bundle", adapter=None):
        target = self.folder / "target" / output
        return run("convert", self.source, "--adapter", adapter or self.adapter, "-o", target, "--threads", "2", *more), target

    def refused(self, *parts, **options):
        result, _ = self.convert("-q", **options)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertEqual(list((self.folder / "target").iterdir()), [])


def stored(bundle, dtype="fp32"):
    """The bytes of the query's weight in a variant."""
    manifest = json.loads((bundle / "bantam.json").read_text())
    variant = next(v for v in manifest["variants"] if v["dtype"] == dtype)
    part = next(t for t in variant["tensors"] if t["name"] == QUERY)["parts"][0]
    return (bundle / part["file"]).read_bytes()[part["offset"]:][:part["bytes"]]


class Bundles(AdapterTest):
    def test_the_weights_are_the_sum(self):
        result, bundle = self.convert("--dtype", "fp32")
        self.assertEqual(result.returncode, 0, result.stderr)
        actual = array.array("f", stored(bundle))
        entries = lora()
        a, b = (array.array("f", entries[f"base_model.model.{MODULE}.lora_{part}.weight"][2]) for part in "AB")
        w = array.array("f", ENTRIES[QUERY][2])
        for row, column in [(0, 0), (47, 47), (3, 40)] + [(random.randrange(48), random.randrange(48)) for _ in range(50)]:
            want = w[row * 48 + column] + 2 * sum(b[row * 3 + k] * a[k * 48 + column] for k in range(3))
            # The writer may store the weight either way round.
            self.assertTrue(any(abs(actual[at] - want) < 1e-6 for at in (row * 48 + column, column * 48 + row)))
        self.assertNotEqual(actual.tobytes(), ENTRIES[QUERY][2])

    def test_the_bundle_says_what_was_merged(self):
        (self.adapter / "README.md").write_text("---\nlicense: mit\n---\n")
        result, bundle = self.convert()
        self.assertEqual(result.returncode, 0, result.stderr)
        manifest = json.loads((bundle / "bantam.json").read_text())
        adapter = manifest["source"]["adapter"]
        self.assertEqual((adapter["name"], adapter["changed"], adapter["added"]), ("my-lora", 1, 0))
        self.assertEqual([f["name"] for f in adapter["files"]], ["adapter_config.json", "adapter_model.safetensors"])
        self.assertTrue(all(len(f["sha256"]) == 64 for f in adapter["files"]))
        card = (bundle / "README.md").read_text()
        self.assertIn("LoRA adapter `my-lora` was merged", card)
        self.assertIn("Licence of the adapter: mit", card)
        self.assertNotIn(str(self.folder), card + json.dumps(manifest))
        self.assertEqual(run("inspect", bundle).returncode, 0)

    def test_the_plan_is_exact_and_the_recipe_knows_the_key(self):
        result, _ = self.convert("--dry-run", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        planned = {f["name"]: f["bytes"] for f in json.loads(result.stdout)["plan"]["files"]}
        recipe = self.folder / "recipe.json"
        recipe.write_text(json.dumps({"source": str(self.source), "adapter": str(self.adapter), "output": str(self.folder / "target/recipe")}))
        result = run("convert", "--recipe", recipe, "--threads", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        bundle = self.folder / "target/recipe"
        self.assertEqual({str(p.relative_to(bundle)): p.stat().st_size for p in bundle.rglob("*") if p.is_file()}, planned)
        result, other = self.convert()
        self.assertEqual(result.returncode, 0, result.stderr)
        for path in bundle.rglob("*"):
            if path.is_file():
                self.assertEqual(path.read_bytes(), (other / path.relative_to(bundle)).read_bytes(), path)

    def test_a_pickled_adapter_gives_the_same_bundle(self):
        first = self.convert()[1]
        (self.adapter / "adapter_model.safetensors").unlink()
        (self.adapter / "adapter_model.bin").write_bytes(torch_save(lora()))
        result, second = self.convert(output="second")
        self.assertEqual(result.returncode, 0, result.stderr)
        for path in first.glob("onnx/*"):
            self.assertEqual(path.read_bytes(), (second / "onnx" / path.name).read_bytes())


class Refusals(AdapterTest):
    def test_adapters_of_another_model(self):
        self.write_adapter(lora(width=64))
        self.refused("adapter_model.safetensors", MODULE, "[48, 64]", "[48, 48]", "another model")
        self.write_adapter(lora(module="bert.encoder.layer.7.attention.self.query"))
        self.refused("bert.encoder.layer.7.attention.self.query", "the base holds no")
        self.write_adapter(lora() | {"base_model.model.mystery.weight": ("F32", [1], b"\0" * 4)})
        self.refused("mystery.weight", "the base holds no")

    def test_another_rank(self):
        self.write_adapter(r=8)
        self.refused(MODULE, "rank 8", "[3, 48]")

    def test_other_methods(self):
        self.write_adapter(peft_type="LOHA")
        self.refused("adapter_config.json", "peft_type", "LOHA")
        self.write_adapter(init_lora_weights="pissa")
        self.refused("init_lora_weights", "pissa")
        self.write_adapter(something_new=7)
        self.refused("something_new", "merge_and_unload")

    def test_folders_that_are_no_adapter(self):
        self.refused("has no adapter_config.json", adapter=self.source)
        self.refused("nowhere", adapter=self.folder / "nowhere/at all")
        shutil.move(self.adapter / "adapter_model.safetensors", self.folder / "x.safetensors")
        self.refused("adapter_model.safetensors")
        (self.adapter / "adapter_model.bin").write_bytes(malicious(Ask(exec, "1")))
        self.refused("adapter_model.bin", "exec", "refused")
        for file in ("config.json", "model.safetensors"):
            (self.source / file).unlink()
        shutil.copy(self.adapter / "adapter_model.bin", self.source)
        (self.source / "config.json").write_text("{}")
        result = run("convert", self.source, "-o", self.folder / "target/x")
        self.assertIn("give the model that it was trained on as the source", result.stderr)

    def test_the_output_is_not_inside_of_the_adapter(self):
        result = run("convert", self.source, "--adapter", self.adapter, "-o", self.adapter / "out", "-q")
        self.assertEqual(result.returncode, 1)
        self.assertIn("inside the source", result.stderr)


if __name__ == "__main__":
    unittest.main()
