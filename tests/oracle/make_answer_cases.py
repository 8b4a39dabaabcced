"""Writes testdata/answers: logits of tiny random models and what the pipelines of transformers make of them.

  pip install "transformers<5" torch sentence-transformers        (transformers 5 has no question answering any more)
  python tests/oracle/make_answer_cases.py testdata/tokenizers testdata/answers
"""
import json
import os
import sys

import torch
import transformers
from sentence_transformers.models import Normalize
from sentence_transformers.models import Pooling
from transformers import pipeline

TEXTS = ["The quick brown fox jumps over the lazy dog.", "Sphinx of black quartz, judge my vow!",
         "Where is the nearest train station?", "naïve café 你好, said the old wizard", "a", "Müller-Lüdenscheidt 3.14 per cent"]
CONTEXT = ("Pack my box with five dozen liquor jugs, said the old wizard. How vexingly quick daft zebras jump! "
           "The café Müller opened in 1978; it was the fourth of its kind, naïve visitors said. 你好 世界. ") * 2
QUESTIONS = ["When did it open?", "Who said so?", "What did the zebras do, and why?"]


def tokenizer_of(folder, name, **options):
    marks = dict(cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]", pad_token="[PAD]", unk_token="[UNK]")
    if name == "roberta":
        marks = dict(cls_token="<s>", sep_token="</s>", mask_token="<mask>", pad_token="<pad>", unk_token="<unk>")
    return transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, name + ".json"), **marks, **options)


def model_of(kind, tokenizer, seed, scale, **options):
    torch.manual_seed(seed)
    config = transformers.BertConfig(vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
                                     intermediate_size=40, max_position_embeddings=512, **options)
    model = getattr(transformers, "BertFor" + kind)(config).eval()
    with torch.no_grad():  # random heads are undecided: sharpen them
        for name, parameter in model.named_parameters():
            if "embeddings" in name or "classifier" in name or "qa_outputs" in name:
                parameter *= scale
    return model


def numbers(tensor):
    return [float(f"{v:.7g}") for v in tensor.flatten().tolist()]


def bytes_of(text, *characters):
    return [len(text[:c].encode()) for c in characters]


def classification(folder):
    cases = []
    tokenizer = tokenizer_of(folder, "wordpiece-uncased")
    for labels, problem in [(3, "single_label_classification"), (3, "multi_label_classification"), (1, None), (1, "regression"), (4, None)]:
        model = model_of("SequenceClassification", tokenizer, labels, 6, num_labels=labels, problem_type=problem)
        pipe = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
        for text in TEXTS[:3]:
            with torch.no_grad():
                logits = model(**tokenizer(text, return_tensors="pt")).logits
            scores = pipe([text])[0]
            cases.append({"problem_type": problem, "logits": numbers(logits),
                          "scores": [[model.config.label2id[s["label"]], s["score"]] for s in scores]})
    return cases


def entities(folder):
    cases = []
    for name in ["wordpiece-uncased", "roberta"]:
        for labels in [["O", "B-PER", "I-PER", "B-X-Y", "I-X-Y"], ["O", "PER", "LOC"]]:
            tokenizer = tokenizer_of(folder, name, model_input_names=["input_ids", "attention_mask"])
            model = model_of("TokenClassification", tokenizer, len(labels), 6, num_labels=len(labels),
                             id2label=dict(enumerate(labels)), label2id={l: i for i, l in enumerate(labels)})
            pipe = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple")
            for text in TEXTS:
                with torch.no_grad():
                    logits = model(**tokenizer(text, return_tensors="pt")).logits
                found = [{"type": e["entity_group"], "score": float(e["score"]), "where": bytes_of(text, e["start"], e["end"])}
                         for e in pipe(text)]
                cases.append({"tokenizer": name, "labels": labels, "text": text, "logits": numbers(logits), "entities": found})
    return cases


def answers(folder):
    cases = []
    for name, limit, seed in [("wordpiece-uncased", 60, 1), ("wordpiece-uncased", 512, 0), ("roberta", 90, 3)]:
        tokenizer = tokenizer_of(folder, name, model_max_length=limit)
        while True:  # 0 and below: look for a model that finds a question unanswerable
            model = model_of("QuestionAnswering", tokenizer, seed, 12)
            pipe = pipeline("question-answering", model=model, tokenizer=tokenizer)
            if seed > 0 or not pipe(question=QUESTIONS[0], context=CONTEXT, handle_impossible_answer=True)["answer"]:
                break
            seed -= 1
        for question in QUESTIONS:
            for impossible in (False, True):
                spans = []
                for feature in pipe.preprocess({"question": question, "context": CONTEXT}):
                    inputs = {k: feature[k] for k in ("input_ids", "attention_mask", "token_type_ids")}
                    with torch.no_grad():
                        out = model(**inputs)
                    spans.append({"ids": feature["input_ids"][0].tolist(), "start": numbers(out.start_logits), "end": numbers(out.end_logits)})
                got = pipe(question=question, context=CONTEXT, handle_impossible_answer=impossible)
                cases.append({"tokenizer": name, "max_length": limit, "question": question, "context": CONTEXT, "spans": spans,
                              "may_be_unanswerable": impossible, "answer": got["answer"], "score": got["score"],
                              "where": bytes_of(CONTEXT, got["start"], got["end"])})
    return cases


def fillings(folder):
    cases = []
    for name, texts in [("wordpiece-uncased", ["the [MASK] brown fox", "[MASK] my box with [MASK] jugs"]),
                        ("roberta", ["the <mask> brown fox"])]:
        tokenizer = tokenizer_of(folder, name, model_input_names=["input_ids", "attention_mask"])
        model = model_of("MaskedLM", tokenizer, 5, 6)
        pipe = pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=4)
        for text in texts:
            inputs = tokenizer(text, return_tensors="pt")
            with torch.no_grad():
                logits = model(**inputs).logits[0]
            rows = logits[inputs["input_ids"][0] == tokenizer.mask_token_id]
            got = pipe(text)
            got = got if isinstance(got[0], list) else [got]
            cases.append({"tokenizer": name, "mask_token": tokenizer.mask_token, "text": text, "rows": [numbers(row) for row in rows],
                          "fillings": [[[f["token"], f["score"], f["token_str"], f["sequence"]] for f in row] for row in got]})
    return cases


def embeddings(folder):
    torch.manual_seed(1)
    tokens = torch.randn(3, 7, 5)
    mask = torch.tensor([[1] * 7, [1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]])
    cases = []
    for mode in ["cls", "max", "mean", "mean_sqrt_len_tokens", "lasttoken"]:
        for row in range(3):
            if mode == "cls" and row == 2:
                continue  # takes the first position, padding or not
            features = {"token_embeddings": tokens[row:row + 1].clone(), "attention_mask": mask[row:row + 1]}
            pooled = Pooling(5, pooling_mode=mode)(features)
            plain = numbers(pooled["sentence_embedding"])
            cases.append({"mode": mode, "hidden": numbers(tokens[row]), "mask": mask[row].tolist(), "embedding": plain,
                          "normalized": numbers(Normalize()(pooled)["sentence_embedding"])})
    return cases


def main(tokenizers, folder):
    os.makedirs(folder, exist_ok=True)
    for make in (classification, entities, answers, fillings, embeddings):
        with open(os.path.join(folder, make.__name__ + ".json"), "w", encoding="utf-8") as file:
            file.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in make(tokenizers)) + "\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
