"""Writes testdata/parquet: small files as the hub and common writers make them, and their rows as JSON lines.

  python tests/oracle/make_parquet_cases.py testdata/parquet     (pip install pyarrow)
"""
import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

NAMES = {"names": ["neg", "pos"], "_type": "ClassLabel"}
TAGS = {"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"}
TEXT = {"dtype": "string", "_type": "Value"}
WORDS = ["fine", "dull", "Müller", "你好", "👍🏽", "", "a\tb\nc", "\"quoted\""]


def hub(features):
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def sentences(count):
    rows = [{"idx": i, "sentence": f"{WORDS[i % len(WORDS)]} number {i}", "label": i * 7 % 2} for i in range(count)]
    schema = pa.schema([("idx", pa.int32()), ("sentence", pa.string()), ("label", pa.int64())])
    return rows, schema.with_metadata(hub({"idx": {"dtype": "int32", "_type": "Value"}, "sentence": TEXT, "label": NAMES}))


def questions():
    rows = [{"id": f"q{i}", "title": "t", "context": f"Café {i} opened in {1900 + i} .", "question": "When?",
             "answers": {"text": [str(1900 + i)] * (i % 3), "answer_start": [len(f"Café {i} opened in ")] * (i % 3)}} for i in range(9)]
    schema = pa.schema([("id", pa.string()), ("title", pa.string()), ("context", pa.string()), ("question", pa.string()),
                        ("answers", pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))]))])
    return rows, schema


def entities():
    rows = [{"tokens": ["Peter", "Blackburn", f"x{i}"][: 1 + i % 3], "ner_tags": [1, 2, 0][: 1 + i % 3], "image": b"\xff\xfe"}
            for i in range(7)]
    schema = pa.schema([("tokens", pa.list_(pa.large_string())), ("ner_tags", pa.list_(pa.int64())), ("image", pa.binary())])
    return rows, schema.with_metadata(hub({"ner_tags": {"feature": TAGS, "_type": "Sequence"}}))


def scored():
    kinds = [("a", pa.string()), ("f32", pa.float32()), ("f64", pa.float64()), ("i8", pa.int8()), ("u64", pa.uint64()),
             ("flag", pa.bool_()), ("money", pa.decimal128(9, 2))]
    from decimal import Decimal
    rows = [{"a": f"s{i}" if i % 4 else None, "f32": i / 4, "f64": -i / 3 if i % 5 else None, "i8": i - 4, "u64": i * 10**12,
             "flag": i % 2 == 0, "money": Decimal(i * 125 - 400) / 100} for i in range(9)]
    return rows, pa.schema(kinds)


def write(folder, name, rows, schema, **options):
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, os.path.join(folder, name + ".parquet"), **options)

    def plain(value):
        if isinstance(value, bytes):
            return None  # no text
        return float(value) if type(value).__name__ == "Decimal" else value
    with open(os.path.join(folder, name + ".jsonl"), "w", encoding="utf-8") as file:
        for row in table.to_pylist():
            file.write(json.dumps({k: plain(v) for k, v in row.items()}, ensure_ascii=False) + "\n")


def main(folder):
    os.makedirs(folder, exist_ok=True)
    rows, schema = sentences(40)
    write(folder, "sentences-snappy", rows, schema, compression="snappy", row_group_size=16)
    write(folder, "sentences-zstd", rows, schema, compression="zstd")
    write(folder, "sentences-gzip", rows, schema, compression="gzip", data_page_version="2.0")
    write(folder, "sentences-lz4", rows, schema, compression="lz4", use_dictionary=False)
    write(folder, "questions", *questions(), compression="snappy")
    write(folder, "entities", *entities(), compression="none")
    write(folder, "types", *scored(), compression="snappy")


if __name__ == "__main__":
    main(sys.argv[1])
