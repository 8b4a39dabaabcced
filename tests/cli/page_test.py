#!/usr/bin/env python3
"""`bantam convert --page`: index.html is part of the bundle like any other file, the same for the same bundle, and asks for
nothing from elsewhere. tests/browser/page.test.js opens it."""
import json
import pathlib
import re
import shutil
import tempfile
import unittest
from html.parser import HTMLParser

from bantam_cli import ROOT, run
from bundle_edits import FIXTURES, convert, sha256

SOURCE = FIXTURES / "bert-text-classification-tokenizer"


class Scripts(HTMLParser):
    """The text of each script element by its id or type, and every attribute of every element."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.scripts, self.attributes, self.title, self.inside = {}, [], "", None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        named = dict(attrs)
        self.inside = named.get("id") or named.get("type") if tag == "script" else tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "title":
            self.title += data
        if self.inside:
            self.scripts[self.inside] = self.scripts.get(self.inside, "") + data


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def page(self, source=SOURCE, *more):
        bundle = convert(source, self.folder / "bundle", "--page", "-f", *more)
        return bundle, (bundle / "index.html").read_text(encoding="utf-8")

    def test_is_a_file_of_the_bundle(self):
        bundle, text = self.page()
        manifest = json.loads((bundle / "bantam.json").read_text())
        entry = next(entry for entry in manifest["files"] if entry["name"] == "index.html")
        self.assertEqual((entry["bytes"], entry["sha256"]), (len(text.encode()), sha256(text.encode())))
        self.assertIn(f"{entry['sha256']}  index.html\n", (bundle / "SHA256SUMS").read_text())
        self.assertTrue(manifest["recipe"]["page"])
        self.assertEqual(run("verify", bundle, "-q").returncode, 0)

    def test_is_there_only_when_asked_for(self):
        bundle = convert(SOURCE, self.folder / "plain")
        self.assertFalse((bundle / "index.html").exists())

    def test_the_recipe_of_a_bundle_makes_it_again(self):
        bundle, text = self.page()
        recipe = self.folder / "recipe.json"
        recipe.write_text(json.dumps(json.loads((bundle / "bantam.json").read_text())["recipe"]))
        again = convert(SOURCE, self.folder / "again", "--recipe", recipe)
        self.assertEqual((again / "index.html").read_text(encoding="utf-8"), text)
        self.assertEqual((again / "SHA256SUMS").read_text(), (bundle / "SHA256SUMS").read_text())

    def test_a_dry_run_lists_it(self):
        plan = json.loads(run("convert", SOURCE, "--page", "--dry-run", "--json", "-q").stdout)
        _, text = self.page()
        files = {file["name"]: file["bytes"] for file in plan["plan"]["files"]}
        self.assertEqual(files["index.html"], len(text.encode()))

    def test_knows_the_variants(self):
        bundle, text = self.page(ROOT / "testdata/sst2-bert-tiny", "--dtype", "fp32,q8,q4f16")
        model = json.loads(Scripts(text).scripts["model"])
        manifest = json.loads((bundle / "bantam.json").read_text())
        self.assertEqual({variant["dtype"]: variant["bytes"] for variant in model["variants"]},
                         {variant["dtype"]: variant["bytes"] for variant in manifest["variants"]})
        self.assertEqual([(variant["half"], variant["integer"]) for variant in model["variants"]],
                         [(False, False), (False, True), (True, False)])
        own = json.loads((bundle / "config.json").read_text())["transformers.js_config"]["device_config"]
        self.assertEqual(model["defaults"], {device: own[device]["dtype"] for device in ("wasm", "webgpu")})
        self.assertEqual((model["task"], model["parameters"]), ("text-classification", manifest["model"]["parameters"]))

    def test_names_are_text(self):
        hostile = self.folder / "<img src=x onerror=alert(1)>&amp;"
        shutil.copytree(SOURCE, hostile)
        _, text = self.page(hostile)
        parsed = Scripts(text)
        self.assertEqual(json.loads(parsed.scripts["model"])["name"], hostile.name)
        self.assertEqual(parsed.title, hostile.name)
        self.assertNotIn(("onerror", "alert(1)"), parsed.attributes)

    def test_no_address_but_its_own(self):
        _, text = self.page()
        self.assertEqual(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"']*", text), [])
        self.assertEqual([value for name, value in Scripts(text).attributes if name in ("src", "href")], ["data:,"])

    def test_a_page_of_the_checkpoint_gives_way(self):
        source = self.folder / "source"
        shutil.copytree(SOURCE, source)
        (source / "index.html").write_text("<!doctype html>theirs")
        _, text = self.page(source)
        self.assertNotIn("theirs", text)


if __name__ == "__main__":
    unittest.main()
