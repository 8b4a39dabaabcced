#!/usr/bin/env python3
"""`bantam verify`: a sound bundle is sound, and every way to break one is found and named: each file of a small bundle is
flipped, cut, emptied, removed, renamed and replaced; then each rule of the consumers is broken with digests that agree."""
import gzip
import json
import os
import pathlib
import random
import tempfile
import unittest

from bantam_cli import ROOT, run
from bundle_edits import FIXTURES, Copies, convert, edit_json, files_of, seal

FOLDER = tempfile.TemporaryDirectory()
BUNDLE = pathlib.Path(FOLDER.name) / "bundle"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"
HTML = b"\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n"


def setUpModule():
    convert(FIXTURES / "bert-token-classification-tokenizer", BUNDLE, "--dtype", "fp32,q8,q4f16", "--shard-size", "64KiB",
            "--compress", "gzip,zstd")


def tearDownModule():
    FOLDER.cleanup()


def verify(bundle, *more):
    result = run("verify", bundle, "--json", "-q", *more)
    assert result.stderr == "", result.stderr
    found = json.loads(result.stdout)
    assert result.returncode == (0 if found["passed"] else 1), result.returncode
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.copies = Copies(BUNDLE)
        self.addCleanup(self.copies.folder.cleanup)
        self.bundle = self.copies.fresh()

    def findings(self, severity="error", bundle=None, *more):
        found = verify(bundle or self.bundle, *more)
        return [finding for finding in found["findings"] if finding["severity"] == severity]

    def found(self, check, file, *parts, severity="error", bundle=None):
        """One finding of that check names the file and says all parts."""
        found = self.findings(severity, bundle)
        for finding in found:
            text = f"{finding['file']}: {finding['message']}"
            if finding["check"] == check and finding["file"] == file and all(part in text for part in parts):
                return
        self.fail(f"{check}: {file}: {parts} is not among {json.dumps(found, indent=1)}")


class Sound(Case):
    def test_bundles_pass_without_a_word(self):
        found = verify(BUNDLE, "--run")
        self.assertEqual((found["passed"], found["findings"]), (True, []))
        self.assertEqual((found["task"], found["model_type"]), ("token-classification", "bert"))
        self.assertEqual(found["files"], len(files_of(BUNDLE)))
        self.assertEqual(found["bytes"], sum((BUNDLE / name).stat().st_size for name in files_of(BUNDLE)))
        self.assertGreater(len(found["checks"]), 10)

    def test_json_has_the_keys_of_its_schema(self):
        schema = json.loads((ROOT / "schemas/verify.schema.json").read_text())
        found = verify(BUNDLE)
        self.assertEqual(set(found), set(schema["required"]))
        self.assertEqual(set(found["checks"][0]), set(schema["properties"]["checks"]["items"]["required"]))
        self.assertEqual(set(found["variants"][0]), set(schema["properties"]["variants"]["items"]["required"]))
        (self.bundle / "onnx/more").write_text("x")
        finding = self.findings("warning")[0]
        self.assertEqual(set(finding), set(schema["properties"]["findings"]["items"]["required"]))

    def test_the_screen_says_what_runs_where(self):
        result = run("verify", BUNDLE, "-q")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn(": sound, bert, token-classification; ", result.stdout)
        self.assertRegex(result.stdout, r"fp32 +\S+ \S+ +runs +runs \(default\) +runs\n")
        self.assertRegex(result.stdout, r"q8 +\S+ \S+ +runs \(default\) +partly +runs \(default\)\n")
        self.assertRegex(result.stdout, r"q4f16 +\S+ \S+ +runs +needs f16 +runs\n")
        self.assertRegex(result.stdout, r"q8 on webgpu: \d+ nodes have no GPU kernel .*MatMulInteger \d+")
        self.assertIn("onnxruntime-web 1.", result.stdout)
        self.assertLess(result.stdout.count("\n"), 40)

    def test_decoders_and_sentence_models_pass_too(self):
        path = pathlib.Path(self.copies.folder.name)
        for fixture in ("bert-feature-extraction-sentence-mean", "bert-fill-mask-tokenizer",
                        "bert-text-classification-tokenizer", "distilbert-question-answering-tokenizer"):
            with self.subTest(fixture):
                found = verify(convert(FIXTURES / fixture, path / fixture), "--run")
                self.assertEqual(found["findings"], [])
        # Decoders here have no tokenizer; that is all there is to say.
        for fixture in ("llama-text-generation", "qwen2-text-generation", "qwen3-text-generation", "mistral-text-generation"):
            with self.subTest(fixture):
                found = verify(convert(FIXTURES / fixture, path / fixture), "--run")
                self.assertEqual({finding["check"] for finding in found["findings"]}, {"tokenizer"})

    def test_what_is_no_bundle_is_refused_in_one_line(self):
        (self.bundle / "onnx/x").touch()
        for path, part in ((self.bundle / "nowhere", "does not exist"), (self.bundle / "config.json", "is not a folder"),
                           (self.bundle / "onnx", "holds neither bantam.json nor config.json")):
            result = run("verify", path)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertIn(f"{path}: {part}", result.stderr)
        self.assertEqual(run("verify").returncode, 2)


class Sweep(Case):
    """Every file of the bundle, broken in every way: the file is named."""

    def sweep(self, change, expected, skip=()):
        for name in files_of(BUNDLE):
            if name in skip:
                continue
            with self.subTest(name):
                change(self.bundle / name)
                named = [finding for finding in self.findings() if finding["file"] == name]
                self.assertTrue(named, f"{name} is not named")
                if expected:
                    self.assertTrue(any(expected in finding["message"] for finding in named), named)
                self.copies.restore(name)
        self.assertEqual(self.findings(), [])  # all is as it was

    def test_flipped_bits(self):
        generator = random.Random(7)

        def flip(path):
            data = bytearray(path.read_bytes())
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
            path.write_bytes(data)
        for _ in range(3):
            self.sweep(flip, "", skip=("SHA256SUMS",))

    def test_every_changed_byte_of_the_list_of_digests(self):
        original = (BUNDLE / "SHA256SUMS").read_bytes()
        generator = random.Random(8)
        for at in [0, 63, 64, 65, 66, 70, len(original) - 1, *generator.sample(range(len(original)), 12)]:
            data = bytearray(original)
            data[at] ^= 1 << generator.randrange(8)
            (self.bundle / "SHA256SUMS").write_bytes(data)
            with self.subTest(at=at):
                self.assertTrue(self.findings())

    def test_truncated(self):
        def cut(path):
            os.truncate(path, path.stat().st_size - 1)
        self.sweep(cut, "", skip=("SHA256SUMS",))
        os.truncate(self.bundle / "SHA256SUMS", 100)
        self.found("manifest", "SHA256SUMS", "line 2")

    def test_longer(self):
        def lengthen(path):
            path.write_bytes(path.read_bytes() + b"\n")
        self.sweep(lengthen, "")

    def test_empty(self):
        self.sweep(lambda path: os.truncate(path, 0), "is empty")

    def test_removed(self):
        self.sweep(lambda path: path.unlink(), "is missing")

    def test_pointers_and_pages_in_place_of_the_file(self):
        self.sweep(lambda path: path.write_bytes(LFS), "is a Git-LFS pointer")
        self.sweep(lambda path: path.write_bytes(HTML), "is a web page")

    def test_other_things_than_files(self):
        def link_out(path):
            path.unlink()
            path.symlink_to("/etc/passwd")

        def fifo(path):
            path.unlink()
            os.mkfifo(path)
        self.sweep(link_out, "leads out of the bundle")
        self.sweep(fifo, "is not a regular file")

    def test_renamed(self):
        for name in files_of(BUNDLE):
            with self.subTest(name):
                other = self.bundle / f"{name}.old"
                (self.bundle / name).rename(other)
                findings = verify(self.bundle)["findings"]
                files = {(finding["severity"], finding["file"]) for finding in findings}
                self.assertIn(("error", name), files)
                if name != "SHA256SUMS":
                    self.assertIn(("warning", f"{name}.old"), files)
                other.rename(self.bundle / name)

    def test_more_files_are_a_warning(self):
        (self.bundle / "onnx/model_q4.onnx_data.bak").write_bytes(b"x")
        self.found("manifest", "onnx/model_q4.onnx_data.bak", "is not part of the bundle", severity="warning")
        self.assertTrue(verify(self.bundle)["passed"])

    def test_two_files_that_changed_places(self):
        first, second = self.bundle / "onnx/model.onnx_data", self.bundle / "onnx/model.onnx_data_1"
        one, two = first.read_bytes(), second.read_bytes()
        first.write_bytes(two)
        second.write_bytes(one)
        self.found("manifest" if len(one) != len(two) else "hashes", "onnx/model.onnx_data", "changed" if len(one) == len(two) else "bytes")


class Sealed(Case):
    """Digests agree; what the consumers do with it does not."""

    def config(self, change):
        edit_json(self.bundle, "config.json", lambda config: change(config["transformers.js_config"]))

    def test_chunk_counts(self):
        shards = json.loads((BUNDLE / "config.json").read_text())["transformers.js_config"]["use_external_data_format"]["model.onnx"]
        self.assertGreater(shards, 1)
        self.config(lambda own: own["use_external_data_format"].update({"model.onnx": shards + 1}))
        self.found("sessions", f"onnx/model.onnx_data_{shards}", "wait for it forever")
        self.config(lambda own: own["use_external_data_format"].update({"model.onnx": shards - 1}))
        self.found("shards", "config.json", f'model.onnx needs "model.onnx_data_{shards - 1}"')
        self.config(lambda own: own["use_external_data_format"].update({"model.onnx": 101}))
        self.found("sessions", "config.json", "asks for 101 data files", "at most 100")
        self.config(lambda own: own["use_external_data_format"].update({"model.onnx": "two"}))
        self.found("config", "config.json", '"two" is not a number of files')
        self.config(lambda own: own.pop("use_external_data_format"))
        self.found("shards", "config.json", "is not among the 0 data files")
        # By session name: the same number for every dtype.
        self.config(lambda own: own.update(use_external_data_format={"model": shards}))
        self.found("sessions", "onnx/model_quantized.onnx_data_1", "is not there") if shards > 1 else None
        # Of one device alone.
        self.bundle = self.copies.fresh()
        self.config(lambda own: own["device_config"]["webgpu"].update(use_external_data_format=False))
        self.found("shards", "config.json", "on webgpu")

    def test_dtypes(self):
        self.config(lambda own: own.update(dtype="q4"))
        self.config(lambda own: own["device_config"].pop("wasm"))
        self.found("sessions", "onnx/model_q4.onnx", "a page that asks for no dtype on wasm gets q4")
        self.found("contents", "bantam.json", "default_dtype is q8, and pages get q4 on wasm")
        self.config(lambda own: own.update(dtype="q5"))
        self.found("config", "config.json", 'transformers.js_config.dtype: "q5" is not known')
        self.config(lambda own: own.update(dtype={"model": "fp16"}))
        self.found("sessions", "onnx/model_fp16.onnx", "gets fp16")
        self.config(lambda own: own.update(device_config={"webgpu": {"dtype": "bnb4"}}))
        self.found("sessions", "onnx/model_bnb4.onnx", "on webgpu gets bnb4")
        self.config(lambda own: own.update(device=7))
        self.found("config", "config.json", "transformers.js_config.device: 7")

    def test_without_settings_the_defaults_must_be_there(self):
        edit_json(self.bundle, "config.json", lambda config: config.pop("transformers.js_config"))
        found = verify(self.bundle)["findings"]
        self.assertIn(("config", "warning"), {(f["check"], f["severity"]) for f in found})
        only = convert(FIXTURES / "bert-token-classification-tokenizer", self.bundle.parent / "q4", "--dtype", "q4")
        edit_json(only, "config.json", lambda config: config.pop("transformers.js_config"))
        self.found("sessions", "onnx/model_quantized.onnx", "gets q8", bundle=only)
        self.found("sessions", "onnx/model.onnx", "on webgpu gets fp32", bundle=only)

    def test_config_itself(self):
        edit_json(self.bundle, "config.json", lambda config: config.pop("model_type"))
        self.found("config", "config.json", 'has no "model_type"')
        for text, said in (("[1]", "is not a JSON object"), ("{", "not valid JSON")):
            (self.bundle / "config.json").write_text(text)
            seal(self.bundle)
            self.found("config", "config.json", said)
        bundle = self.copies.fresh()
        edit_json(bundle, "config.json", lambda config: config.update(model_type="bertish"))
        self.found("config", "config.json", '"bertish" has no class for token-classification', severity="warning", bundle=bundle)

    def test_index(self):
        def change(edit):
            edit_json(self.copies.fresh(), "tensor-cache.json", edit)
            self.bundle = self.copies.path

        def first(index):
            return index["records"][0]
        for path in ("../outside.bin", "/etc/passwd", "https://example.org/x", "onnx/../../x", "onnx%2f..%2f..%2fx", "..\\x", "./onnx/x"):
            change(lambda index: first(index).update(dataPath=path))
            self.found("index", "tensor-cache.json", "points outside of the bundle")
        change(lambda index: first(index).update(dataPath="onnx/nothing.bin"))
        self.found("index", "tensor-cache.json", "is not there")
        change(lambda index: first(index).update(nbytes=first(index)["nbytes"] + 1))
        self.found("index", "tensor-cache.json", "nbytes of onnx/model_quantized.onnx_data is")
        change(lambda index: first(index).update(nbytes=1e6 + 0.5))
        self.found("index", "tensor-cache.json", "nbytes")
        change(lambda index: first(index).update(format="raw"))
        self.found("index", "tensor-cache.json", "format")
        change(lambda index: first(index).update(md5sum="0" * 32))
        self.found("index", "tensor-cache.json", "md5sum")
        change(lambda index: first(index)["records"][0].update(byteOffset=1 << 40))
        self.found("index", "tensor-cache.json", "ends at byte")
        change(lambda index: first(index)["records"][0].update(byteOffset=first(index)["records"][0]["byteOffset"] + 1))
        self.found("index", "tensor-cache.json", "has no tensor")
        change(lambda index: first(index)["records"][0].update(shape=[1 << 62, 4]))
        self.found("index", "tensor-cache.json", "does not")
        change(lambda index: first(index)["records"].pop())
        self.found("index", "tensor-cache.json", "ParamSize")
        change(lambda index: first(index)["records"][1].update(name=first(index)["records"][0]["name"]))
        self.found("index", "tensor-cache.json", "is listed twice")

    def test_manifest_that_tells_other_things(self):
        def change(edit):
            edit_json(self.copies.fresh(), "bantam.json", edit)
            self.bundle = self.copies.path
        part = lambda manifest: manifest["variants"][0]["tensors"][0]["parts"][0]
        change(lambda manifest: part(manifest).update(offset=part(manifest)["offset"] + 256))
        self.found("contents", "bantam.json", "is described otherwise")
        change(lambda manifest: part(manifest).update(name="nobody"))
        self.found("contents", "bantam.json", '"nobody" is no external tensor')
        change(lambda manifest: manifest["variants"][0].update(shards=9))
        self.found("contents", "bantam.json", "9 shards where")
        change(lambda manifest: manifest["variants"][0].update(bytes=9))
        self.found("contents", "bantam.json", "9 bytes where")
        change(lambda manifest: manifest["variants"].pop(0))
        self.found("contents", "bantam.json", 'does not describe "onnx/model.onnx"')
        change(lambda manifest: manifest["variants"][0].update(dtype="q4"))
        self.found("contents", "bantam.json", "is what transformers.js calls fp32")
        change(lambda manifest: manifest.update(schema_version=2))
        self.found("manifest", "bantam.json", "schema_version")
        change(lambda manifest: manifest["files"].append({"name": "../x", "bytes": 1, "sha256": "0" * 64}))
        self.found("manifest", "bantam.json", "leaves the bundle")
        change(lambda manifest: manifest["files"].append(dict(manifest["files"][0])))
        self.found("manifest", "bantam.json", "twice")

    def test_twins(self):
        name = "onnx/model_q4f16.onnx"
        (self.bundle / f"{name}.gz").write_bytes(gzip.compress((self.bundle / name).read_bytes()[:-1] + b"x"))
        seal(self.bundle)
        self.found("twins", f"{name}.gz", "decodes to other bytes")
        (self.bundle / f"{name}.gz").write_bytes(gzip.compress((self.bundle / name).read_bytes()) + b"trailing")
        seal(self.bundle)
        self.found("twins", f"{name}.gz", "bytes after the end")
        (self.bundle / f"{name}.gz").write_bytes(gzip.compress((self.bundle / name).read_bytes())[:-9])
        seal(self.bundle)
        self.found("twins", f"{name}.gz", "ends early")
        (self.bundle / f"{name}.gz").write_bytes(gzip.compress(bytes(1 << 24)))
        seal(self.bundle)
        self.found("twins", f"{name}.gz", "decodes to more than")
        (self.bundle / f"{name}.zst").write_bytes(b"no zstd at all")
        seal(self.bundle)
        self.found("twins", f"{name}.zst", "is damaged")

    def test_tokenizer(self):
        template = "{{ messages }}"

        def change(edit):
            edit_json(self.bundle, "tokenizer_config.json", edit)
        change(lambda config: config.update(chat_template=template))
        self.found("tokenizer", "chat_template.jinja", "is not there", severity="warning")
        (self.bundle / "chat_template.jinja").write_text(template)
        self.assertEqual(self.findings(), [])
        (self.bundle / "chat_template.jinja").write_text(template + " ")
        self.found("tokenizer", "chat_template.jinja", "is another template")
        change(lambda config: config.pop("chat_template"))
        self.found("tokenizer", "tokenizer_config.json", "has no chat_template")
        change(lambda config: config.update(chat_template=3))
        self.found("tokenizer", "tokenizer_config.json", "neither a text nor a list")
        edit_json(self.bundle, "tokenizer.json", lambda tokenizer: tokenizer["model"].update(type="Mystery"))
        self.found("tokenizer", "tokenizer.json")
        self.bundle = self.copies.fresh()
        edit_json(self.bundle, "tokenizer.json",
                  lambda tokenizer: tokenizer["added_tokens"].append(dict(tokenizer["added_tokens"][0], id=100000, content="[FAR]")))
        self.found("tokenizer", "tokenizer.json", 'the token "[FAR]" with id', severity="warning")

    def test_without_a_manifest_the_rules_still_hold(self):
        (self.bundle / "bantam.json").unlink()
        (self.bundle / "SHA256SUMS").unlink()
        self.found("manifest", "bantam.json", "is missing")
        self.assertEqual({finding["check"] for finding in self.findings()}, {"manifest"})
        (self.bundle / "onnx/model.onnx_data").unlink()
        self.found("sessions", "onnx/model.onnx_data", "is not there")

    def test_generation(self):
        bundle = convert(FIXTURES / "llama-text-generation", self.bundle.parent / "llama", "--dtype", "fp32,q4f16")
        edit_json(bundle, "generation_config.json", lambda config: config.update(eos_token_id=[2, 1 << 20]))
        self.found("generation", "generation_config.json", "eos_token_id is 1048576", bundle=bundle)
        edit_json(bundle, "generation_config.json", lambda config: config.update(eos_token_id=2, bos_token_id=50256))
        self.found("generation", "generation_config.json", "bos_token_id is 50256", severity="warning", bundle=bundle)
        edit_json(bundle, "generation_config.json", lambda config: config.update(eos_token_id="end"))
        self.found("generation", "generation_config.json", '"end" and not a token', bundle=bundle)
        edit_json(bundle, "config.json", lambda config: config["transformers.js_config"].pop("kv_cache_dtype"))
        self.found("caches", "config.json", "float16 caches", severity="warning", bundle=bundle)
        edit_json(bundle, "config.json", lambda config: config.update(num_hidden_layers=config["num_hidden_layers"] + 1))
        self.found("caches", "onnx/model.onnx", "has no input", bundle=bundle)
        edit_json(bundle, "config.json", lambda config: config.update(num_hidden_layers=1))
        self.found("caches", "onnx/model.onnx", "which transformers.js does not make for 1 layers", bundle=bundle)
        edit_json(bundle, "config.json", lambda config: config.update(model_type="lama"))
        self.found("caches", "onnx/model.onnx", 'makes none for model_type "lama"', bundle=bundle)

    def test_names_of_hostile_files_stay_on_their_line(self):
        edit_json(self.bundle, "tensor-cache.json", lambda index: index["records"][0].update(dataPath="../\x1b[2J\nerror: x"))
        result = run("verify", self.bundle)
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("\x1b", result.stdout)
        self.assertIn("\\x1b[2J\\x0aerror: x", result.stdout)


if __name__ == "__main__":
    unittest.main()
