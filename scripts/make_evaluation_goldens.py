#!/usr/bin/env python3
"""Writes testdata/evaluation/: what PyTorch says of the development sets that the tests evaluate on.

<model>.safetensors: logits of every sentence of SST-2's dev.tsv in its order, for `bantam evaluate --reference-outputs`.
stsb-bert-mini.json: Spearman's correlation of the cosines of mean-pooled embeddings with STS-B's dev scores.

Needs torch, transformers, scipy and --shared, the folder with models/ and data/. Batch 1, float32, eager attention.
"""
import argparse
import csv
import json
import pathlib

import scipy.stats
import torch
import transformers
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[1] / "testdata/evaluation"


def load(folder, kind):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return tokenizer, model


def sentiment(shared, name):
    tokenizer, model = load(shared / "models" / name, transformers.AutoModelForSequenceClassification)
    limit = min(512, model.config.max_position_embeddings)
    rows = [line.split("\t")[0] for line in (shared / "data/sst2/dev.tsv").read_text().splitlines()]
    logits = []
    with torch.no_grad():
        for text in rows:
            logits.append(model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=limit)).logits[0])
    save_file({"logits": torch.stack(logits)}, OUT / f"{name}.safetensors")
    print(name, len(rows))


def similarity(shared, name):
    tokenizer, model = load(shared / "models" / name, transformers.AutoModel)

    def embed(text):
        inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=model.config.max_position_embeddings)
        return model(**inputs).last_hidden_state[0].mean(0)

    cosines, scores = [], []
    with torch.no_grad():
        for first, second, score in csv.reader((shared / "data/stsb/stsb-en-dev.csv").open(encoding="utf-8")):
            cosines.append(torch.cosine_similarity(embed(first), embed(second), dim=0).item())
            scores.append(float(score))
    spearman = scipy.stats.spearmanr(cosines, scores).statistic
    (OUT / f"{name}.json").write_text(json.dumps({"samples": len(scores), "spearman": spearman}) + "\n")
    print(name, spearman)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    for model_name in ("sst2-bert-tiny", "sst2-distilbert-mini"):
        sentiment(arguments.shared, model_name)
    similarity(arguments.shared, "stsb-bert-mini")
