"""Bundles to break: made by the binary under test, changed by hand, and sealed again so that no digest tells."""
import gzip
import hashlib
import json
import pathlib
import shutil
import tempfile

from bantam_cli import ROOT, run

FIXTURES = ROOT / "testdata/fixtures"


def convert(source, output, *arguments):
    result = run("convert", source, "-o", output, "--threads", "1", "-q", *arguments)
    assert result.returncode == 0, result.stderr
    return output


def files_of(bundle):
    return sorted(str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file())


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def seal(bundle):
    """Writes the digests and sizes of what is there into bantam.json and SHA256SUMS, as an attacker would."""
    manifest = json.loads((bundle / "bantam.json").read_text())
    for entry in manifest["files"]:
        path = bundle / entry["name"]
        if path.is_file():
            data = path.read_bytes()
            for variant in manifest["variants"]:
                variant["bytes"] += len(data) - entry["bytes"] if variant["file"] == entry["name"] else 0
            entry.update(bytes=len(data), sha256=sha256(data))
    (bundle / "bantam.json").write_text(json.dumps(manifest, indent=2) + "\n")
    names = sorted([entry["name"] for entry in manifest["files"] if (bundle / entry["name"]).is_file()] + ["bantam.json"])
    (bundle / "SHA256SUMS").write_text("".join(f"{sha256((bundle / name).read_bytes())}  {name}\n" for name in names))


def edit_json(bundle, name, change):
    """Lets `change` change a JSON file's value in place, renews its twins, and seals."""
    path = bundle / name
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value, indent=2) + "\n")
    if (bundle / f"{name}.gz").exists():
        (bundle / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    seal(bundle)


class Copies:
    """Fresh copies of one bundle, one at a time."""

    def __init__(self, original):
        self.original = original
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "bundle"

    def fresh(self):
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self.original, self.path)
        return self.path

    def restore(self, name):
        """Puts one file back as it was, without copying the others."""
        target, source = self.path / name, self.original / name
        target.unlink(missing_ok=True)
        if source.exists():
            shutil.copy2(source, target)
