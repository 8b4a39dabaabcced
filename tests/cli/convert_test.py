#!/usr/bin/env python3
"""`bantam convert` from outside: the same bytes everywhere, plans that come true, files that other tools can check."""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

from bantam_cli import ROOT, run
from checkpoints import ENTRIES, QUERY, write_checkpoint

MODEL = ROOT / "testdata/sst2-bert-tiny"
EVERY_DTYPE = "fp32,fp16,q8,int8,uint8,q4,q4f16"


def files_of(bundle):
    """name -> digest of every file."""
    return {str(path.relative_to(bundle)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(bundle.rglob("*")) if path.is_file()}


class Convert(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.source = write_checkpoint(cls.folder / "source")

    def convert(self, *more, source=None, **options):
        """A new bundle's folder."""
        out = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "out"
        result = run("convert", source or self.source, "-o", out, "-q", *more, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return out


class SameBytes(Convert):
    def test_for_any_number_of_threads(self):
        bundles = [files_of(self.convert("--dtype", EVERY_DTYPE, "--threads", threads, source=MODEL)) for threads in ("1", "2", "7")]
        self.assertGreater(len(bundles[0]), 20)
        self.assertEqual(bundles[0], bundles[1])
        self.assertEqual(bundles[0], bundles[2])

    def test_for_every_instruction_set(self):
        bundles = {}
        for isa in ("v2", "v3", "v4"):
            out = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "out"
            result = run("convert", MODEL, "-o", out, "-q", "--dtype", EVERY_DTYPE, env={"BANTAM_ISA": isa})
            if result.returncode == 2 and "this machine has" in result.stderr:
                continue
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            bundles[isa] = files_of(out)
        self.assertIn("v2", bundles)
        for isa, files in bundles.items():
            with self.subTest(isa):
                self.assertEqual(files, bundles["v2"])

    def test_from_any_working_directory(self):
        here = files_of(self.convert())
        os.makedirs(self.folder / "a/b", exist_ok=True)
        for cwd, source in ((self.folder, "source"), (self.folder, "./source/"), (self.folder / "a/b", "../../source"),
                            (self.source, "."), (pathlib.Path("/"), str(self.source) + "/")):
            with self.subTest(cwd=cwd, source=source):
                self.assertEqual(files_of(self.convert(source=source, cwd=cwd)), here)

    def test_whatever_the_time_and_the_user_are(self):
        here = files_of(self.convert())
        os.utime(self.source / "model.safetensors", (1, 1))
        self.assertEqual(files_of(self.convert(env={"HOME": "/nowhere", "USER": "x", "TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8"})), here)

    def test_whether_weights_are_in_one_file_or_in_shards(self):
        sharded = write_checkpoint(self.folder / "elsewhere/source", shards=3)
        one, three = self.convert(), self.convert(source=sharded)
        differing = {name for name, digest in files_of(one).items() if files_of(three)[name] != digest}
        self.assertLessEqual(differing, {"bantam.json", "SHA256SUMS"})  # they name the source's files


class Plans(Convert):
    def test_come_true(self):
        for more in ((), ("--shard-size", "64KiB"), ("--hash-source",), ("--dtype", "q4,int8", "--asymmetric", "--block-size", "16"),
                     ("--keep-role", "word_embedding")):
            with self.subTest(more):
                plan = json.loads(run("convert", self.source, "--dry-run", "--json", *more).stdout)["plan"]
                self.assertTrue(all(file["exact"] for file in plan["files"]))
                out = self.convert(*more)
                real = {str(path.relative_to(out)): path.stat().st_size for path in out.rglob("*") if path.is_file()}
                self.assertEqual({file["name"]: file["bytes"] for file in plan["files"]}, real)
                self.assertEqual(plan["bytes"], sum(real.values()))

    def test_mark_what_depends_on_the_data_as_a_bound(self):
        more = ("--compress", "zstd,gzip")
        plan = json.loads(run("convert", self.source, "--dry-run", "--json", *more).stdout)["plan"]
        out = self.convert(*more)
        real = {str(path.relative_to(out)): path.stat().st_size for path in out.rglob("*") if path.is_file()}
        self.assertEqual(set(real), {file["name"] for file in plan["files"]})
        bounds = {file["name"] for file in plan["files"] if not file["exact"]}
        self.assertEqual(bounds, {name for name in real if name.endswith((".gz", ".zst"))} | {"bantam.json"})
        for file in plan["files"]:
            compare = self.assertEqual if file["exact"] else self.assertGreaterEqual
            compare(file["bytes"], real[file["name"]], file["name"])

    def test_write_nothing_and_need_no_output(self):
        before = sorted(os.listdir(self.folder))
        result = run("convert", self.source, "--dry-run", cwd=self.folder)
        self.assertEqual(result.returncode, 0)
        self.assertIn("Nothing was written", result.stdout)
        self.assertEqual(sorted(os.listdir(self.folder)), before)


class Checks(Convert):
    def test_each_chunk_of_a_long_file_has_its_own_digest(self):
        out = self.convert("--dtype", "fp32,q4", "--compress", "gzip", source=MODEL)
        manifest = json.loads((out / "bantam.json").read_text())
        size = manifest["chunk_bytes"]
        long = 0
        for file in manifest["files"]:
            content = (out / file["name"]).read_bytes()
            parts = [content[i:i + size] for i in range(0, len(content), size)]
            wanted = [hashlib.sha256(part).hexdigest() for part in parts] if len(parts) > 1 else None
            self.assertEqual(file.get("chunks"), wanted, file["name"])
            long += wanted is not None
        self.assertGreater(long, 2)

    def test_sha256sum_finds_every_file_as_stated(self):
        out = self.convert("--compress", "gzip")
        checked = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=out, text=True, capture_output=True)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        names = {line.rsplit(": ", 1)[0] for line in checked.stdout.splitlines()}
        self.assertEqual(names | {"SHA256SUMS"}, set(files_of(out)))
        manifest = json.loads((out / "bantam.json").read_text())
        stated = {file["name"]: file["sha256"] for file in manifest["files"]}
        self.assertEqual(stated, {name: digest for name, digest in files_of(out).items() if name not in ("bantam.json", "SHA256SUMS")})

    def test_gzip_and_zstd_find_their_files_whole(self):
        out = self.convert("--compress", "zstd,gzip", "--dtype", "fp32,q4")
        twins = [path for path in out.rglob("*") if path.suffix in (".gz", ".zst")]
        self.assertEqual(len(twins), 8)  # two graphs and their shards, twice
        for twin in twins:
            with self.subTest(twin.name):
                tool = ["gzip"] if twin.suffix == ".gz" else ["zstd", "-q"]
                subprocess.run([*tool, "-t", twin], check=True)
                plain = subprocess.run([*tool, "-d", "-c", twin], check=True, capture_output=True).stdout
                self.assertEqual(plain, twin.with_suffix("").read_bytes())

    def test_md5sum_agrees_with_the_index(self):
        out = self.convert("--dtype", "fp32", "--shard-size", "64KiB")
        records = json.loads((out / "tensor-cache.json").read_text())["records"]
        self.assertGreater(len(records), 1)
        for shard in records:
            printed = subprocess.run(["md5sum", out / shard["dataPath"]], text=True, capture_output=True, check=True).stdout
            self.assertEqual(printed.split()[0], shard["md5sum"])

    def test_hash_source_records_the_digest_of_the_weights(self):
        for more, wanted in ((("--hash-source",), hashlib.sha256((self.source / "model.safetensors").read_bytes()).hexdigest()), ((), None)):
            manifest = json.loads((self.convert("--dtype", "fp32", *more) / "bantam.json").read_text())
            (file,) = manifest["source"]["files"]
            self.assertEqual((file["name"], file.get("sha256")), ("model.safetensors", wanted))

    def test_the_cache_of_the_hub_knows_the_digest_without_reading(self):
        home = self.folder / "hub"
        snapshot = home / "models--org--tiny/snapshots" / ("1" * 40)
        blobs = home / "models--org--tiny/blobs"
        for folder in (snapshot, blobs, home / "models--org--tiny/refs"):
            folder.mkdir(parents=True)
        (home / "models--org--tiny/refs/main").write_text("1" * 40)
        digest = hashlib.sha256((self.source / "model.safetensors").read_bytes()).hexdigest()
        for name, blob in (("model.safetensors", digest), ("config.json", "2" * 40)):
            (blobs / blob).write_bytes((self.source / name).read_bytes())
            (snapshot / name).symlink_to(f"../../blobs/{blob}")
        out = self.convert("--dtype", "fp32", source="org/tiny", env={"HF_HUB_CACHE": str(home)}, cwd=self.folder)
        (file,) = json.loads((out / "bantam.json").read_text())["source"]["files"]
        self.assertEqual(file["sha256"], digest)

    def test_json_prints_the_manifest(self):
        out = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "out"
        result = run("convert", self.source, "-o", out, "-q", "--json")
        self.assertEqual(result.stdout, (out / "bantam.json").read_text())


class Halves(Convert):
    def test_weights_beyond_float16_stay_float32_and_are_named(self):
        entries = dict(ENTRIES)
        bias = "bert.encoder.layer.0.intermediate.dense.bias"
        _, shape, data = entries[bias]
        entries[bias] = ("F32", shape, struct.pack("<f", -70000.0) + data[4:])
        source = write_checkpoint(self.folder / "large", entries=entries)
        out = self.folder / "halves"
        result = run("convert", source, "-o", out, "--dtype", "fp16,q4f16")
        self.assertEqual(result.returncode, 0, result.stderr)
        for dtype in ("fp16", "q4f16"):
            self.assertIn(f"bantam: note: {dtype}: {bias}: holds 70000, beyond float16; kept in float32\n", result.stderr)
        for variant in json.loads((out / "bantam.json").read_text())["variants"]:
            wide = {tensor["name"] for tensor in variant["tensors"] for part in tensor["parts"] if part["dtype"] == "float32"}
            self.assertEqual(wide, {bias})


class Recipes(Convert):
    def recipe(self, **keys):
        path = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "recipe.json"
        path.write_text(json.dumps(keys))
        return path

    def manifest(self, *more, **options):
        return json.loads((self.convert(*more, **options) / "bantam.json").read_text())

    @staticmethod
    def encodings(manifest, dtype):
        variant = next(v for v in manifest["variants"] if v["dtype"] == dtype)
        return {tensor["name"]: tensor["encoding"] for tensor in variant["tensors"]}

    def test_can_say_everything(self):
        target = self.folder / "said"
        recipe = self.recipe(source=str(self.source), output=str(target), variants=[{"dtype": "q4", "block_size": 16}],
                             shard_size="64KiB", compress=["gzip"], hash_source=True, task="fill-mask")
        result = run("convert", "--recipe", recipe, "-q")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        manifest = json.loads((target / "bantam.json").read_text())
        self.assertEqual([v["dtype"] for v in manifest["variants"]], ["q4"])
        self.assertEqual(manifest["recipe"]["shard_size"], 65536)
        self.assertIn("block=16", self.encodings(manifest, "q4")[QUERY])
        self.assertTrue(any(name.endswith(".gz") for name in files_of(target)))
        self.assertIn("sha256", manifest["source"]["files"][0])

    def test_are_overridden_by_flags(self):
        recipe = self.recipe(variants=[{"dtype": "q4", "block_size": 16, "symmetric": True}, {"dtype": "fp16"}], shard_size=65536)
        manifest = self.manifest("--recipe", recipe, "--dtype", "q4,q8", "--block-size", "64", "--asymmetric", "--shard-size", "1MiB")
        self.assertEqual([v["dtype"] for v in manifest["variants"]], ["q4", "q8"])
        self.assertEqual(manifest["recipe"]["shard_size"], 1 << 20)
        self.assertIn("block=64/asymmetric", self.encodings(manifest, "q4")[QUERY])
        # A dtype that the flags name keeps what the recipe says about it.
        self.assertIn("block=16", self.encodings(self.manifest("--recipe", recipe, "--dtype", "q4"), "q4")[QUERY])

    def test_rules_keep_and_choose_bits_and_the_last_one_wins(self):
        rules = [{"role": "attention_q", "keep": True}, {"match": "*layer.1.*query*", "bits": 8}, {"role": "mlp_up", "match": "*.0.*", "keep": True}]
        encodings = self.encodings(self.manifest("--recipe", self.recipe(variants=[{"dtype": "q4", "rules": rules}])), "q4")
        self.assertEqual(encodings["bert.encoder.layer.0.attention.self.query.weight"], "float32")
        self.assertTrue(encodings["bert.encoder.layer.1.attention.self.query.weight"].startswith("int8/"))
        self.assertEqual(encodings["bert.encoder.layer.0.intermediate.dense.weight"], "float32")
        self.assertTrue(encodings["bert.encoder.layer.1.intermediate.dense.weight"].startswith("int4/"))
        # The same by flags.
        flags = ("--dtype", "q4", "--keep-role", "attention_q,mlp_up", "--keep", "*layer.?.output*")
        kept = self.encodings(self.manifest(*flags), "q4")
        self.assertEqual(kept[QUERY], "float32")
        self.assertEqual(kept["bert.encoder.layer.1.output.dense.weight"], "float32")
        self.assertTrue(kept["bert.encoder.layer.1.attention.output.dense.weight"].startswith("int4/"))

    def test_of_a_manifest_makes_the_same_bundle_again(self):
        rules = [{"role": "attention_q", "keep": True}]
        first = self.convert("--recipe", self.recipe(variants=[{"dtype": "q4f16", "block_size": 64, "rules": rules}, {"dtype": "uint8"}]))
        again = self.recipe(**json.loads((first / "bantam.json").read_text())["recipe"])
        self.assertEqual(files_of(self.convert("--recipe", again)), files_of(first))


if __name__ == "__main__":
    unittest.main()
