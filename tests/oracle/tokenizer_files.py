"""Do the tokenizer.json files that bantam makes give the ids that transformers gives?

For every checkpoint with a vocabulary and no tokenizer.json: bantam_small_files makes one, the Python package
`tokenizers` runs it, and ids and token types are compared with what transformers gave (recorded in encoded.json by
scripts/make_vocabularies.py and in tokenized.json by scripts/make_fixtures.py). The models of BANTAM_SHARED, where
present, give their words as vocab.txt, and real sentences are compared with their own tokenizer.json.

  python tests/oracle/tokenizer_files.py        (BANTAM_BUILD_DIR, BANTAM_SOURCE_DIR, BANTAM_SHARED)
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

SOURCE = pathlib.Path(os.environ.get("BANTAM_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("BANTAM_BUILD_DIR", SOURCE / "build"))
SHARED = pathlib.Path(os.environ.get("BANTAM_SHARED", SOURCE / ".." / "shared"))
MOST_SHOWN = 5


def make(folder, out):
    result = subprocess.run([BUILD / "tests" / "bantam_small_files", folder, out], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{folder}: {result.stderr}")
    return Tokenizer.from_file(str(pathlib.Path(out, "tokenizer.json")))


def recorded(folder):
    name = folder / "encoded.json"
    rows = json.loads((name if name.exists() else folder / "tokenized.json").read_text(encoding="utf-8"))
    return [
        (row["text"], row["text_pair"], row.get("ids", row.get("input_ids")), row.get("type_ids")) for row in rows
    ]


def compare(name, tokenizer, rows):
    wrong = []
    for text, pair, ids, type_ids in rows:
        encoding = tokenizer.encode(text, pair)
        if encoding.ids != ids or (type_ids is not None and encoding.type_ids != type_ids):
            wrong.append(
                f"  {text!r} {pair!r}: {encoding.ids} {encoding.type_ids}\n    transformers: {ids} {type_ids}"
            )
    print(f"{'ok  ' if not wrong else 'FAIL'} {name}: {len(rows)} texts, {len(wrong)} differ")
    print("\n".join(wrong[:MOST_SHOWN]), end="\n" if wrong else "")
    return not wrong and rows


def from_shared(folder, sentences, scratch):
    """A WordPiece model with vocab.txt in place of its tokenizer.json."""
    own = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = sorted(own["model"]["vocab"], key=own["model"]["vocab"].get)
    (scratch / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    for name in ("config.json", "tokenizer_config.json"):
        (scratch / name).write_bytes((folder / name).read_bytes())
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference.no_truncation()
    reference.no_padding()
    encodings = [(text, reference.encode(text)) for text in sentences]
    return [(text, None, encoding.ids, encoding.type_ids) for text, encoding in encodings]


def main():
    done = []
    folders = sorted(path.parent for path in (SOURCE / "testdata" / "vocabularies").glob("*/encoded.json"))
    folders += sorted(path.parent for path in (SOURCE / "testdata" / "fixtures").glob("*/tokenized.json"))
    for folder in folders:
        with tempfile.TemporaryDirectory() as out:
            done.append(compare(folder.name, make(folder, out), recorded(folder)))
    sentences = SHARED / "data" / "sst2" / "test.tsv"
    for name in ("sst2-bert-tiny", "sst2-distilbert-mini", "stsb-bert-mini"):
        folder = SHARED / "models" / name
        if not (folder / "tokenizer.json").exists() or not sentences.exists():
            print(f"left out: {name} (BANTAM_SHARED is {SHARED})")
            continue
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as out:
            rows = from_shared(folder, sentences.read_text(encoding="utf-8").splitlines(), pathlib.Path(scratch))
            done.append(compare(name, make(scratch, out), rows))
    if not all(done) or not done:
        sys.exit(1)


if __name__ == "__main__":
    main()
