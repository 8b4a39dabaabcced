#!/usr/bin/env python3
"""Writes what PyTorch says to text, for the tests that run bundles through transformers.js' pipelines.

testdata/sst2-bert-tiny-golden.json: labels and scores of the demo model for the sentences below.
testdata/pipelines-golden.json: for each task, what the fixtures that carry a tokenizer give for a few texts and, with
--shared, what the sentence embedding model of that folder gives.

Needs torch and transformers 5. Batch 1 without padding, eager attention, float32.
"""
import argparse
import json
import pathlib

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLOSEST = 0.03  # a sentence whose score is nearer to .5 says nothing about labels

SENTENCES = """
a warm , funny and beautifully acted film
an utter waste of two hours
The photography is gorgeous, the story is not.
i laughed until my stomach hurt
dull , lifeless and far too long
one of the best performances of the year
it never finds its rhythm and ends in a muddle
charming from the first minute to the last
the jokes are stale and the plot makes no sense
A quiet masterpiece!
boring
brilliant
not bad at all
not good at all
I would not recommend this to my worst enemy.
I would gladly watch it again tomorrow.
the director knows exactly what he is doing
the script is a collection of tired clich\u00e9s
smart , moving and surprisingly tender
loud , crude and pointless
the two leads have real chemistry
a film without a single honest moment
an inventive comedy that rewards attention
a clumsy remake that insults its audience
the ending ruins everything that came before
the ending lifts everything that came before
gripping and intelligent throughout
shallow and predictable throughout
this movie made me feel truly alive and full of joy
this movie left me cold and bored
worth every cent of the ticket
don't waste your money
a triumph of style and of substance
neither style nor substance
the kids loved it and so did we
even the kids fell asleep
delicate , wise and full of grace
a mess from start to finish
Na\u00efve, d\u00e9mod\u00e9 and ... oddly delightful\u2122
\u201cOne long yawn\u201d \u2014 somebody should have stopped them in 1997
""".strip().splitlines()
SENTENCES.append("a rare and wonderful story about friendship , " * 20)  # truncated to the model's 128 positions

WORDS = ["The movie was great!", "the film is not bad", "it was a very good plot and act",
         "an unreadable film, not great", "actor and actor in the movie"]
MASKED = ["the movie was [MASK]!", "[MASK] film is bad", "it is a [MASK] good plot"]
QUESTIONS = [("is it good", "the movie was great and the plot is good."), ("was the film bad?", "it was a film.")]
PAIRS = ["A man is playing a guitar.", "Someone plays an instrument.", "The stock market fell sharply today.",
         "Two dogs run across a field of grass in the afternoon sun."]


def rounded(values):
    """Seven significant digits: below float32's own resolution of these numbers nothing is worth keeping."""
    if isinstance(values, torch.Tensor):
        values = values.tolist()
    return [rounded(value) for value in values] if isinstance(values, list) else float(f"{values:.7g}")


class Model:
    def __init__(self, folder, kind):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        self.labels = self.model.config.id2label

    def __call__(self, *texts):
        self.inputs = self.tokenizer(*texts, return_tensors="pt", truncation=True)
        with torch.no_grad():
            return self.model(**self.inputs)

    @property
    def ids(self):
        return self.inputs["input_ids"][0].tolist()

    def classify(self, text):
        scores = rounded(self(text).logits[0].softmax(-1))
        return {"text": text, "scores": {self.labels[i]: score for i, score in enumerate(scores)}}


def text_classification(folder, texts):
    model = Model(folder, transformers.AutoModelForSequenceClassification)
    return [model.classify(text) for text in texts]


def token_classification(folder):
    model = Model(folder, transformers.AutoModelForTokenClassification)
    pipe = transformers.pipeline("token-classification", model=model.model, tokenizer=model.tokenizer,
                                 aggregation_strategy="simple")
    for text in WORDS:
        scores = model(text).logits[0].softmax(-1)
        yield {"text": text, "labels": list(model.labels.values()), "input_ids": model.ids, "scores": rounded(scores),
               "entities": [dict(entity, score=rounded(float(entity["score"]))) for entity in pipe(text)]}


def fill_mask(folder):
    model = Model(folder, transformers.AutoModelForMaskedLM)
    pipe = transformers.pipeline("fill-mask", model=model.model, tokenizer=model.tokenizer)
    for text in MASKED:
        logits = model(text).logits[0]
        where = model.ids.index(model.tokenizer.mask_token_id)
        fillings = [dict(filling, score=rounded(filling["score"])) for filling in pipe(text)]
        yield {"text": text, "input_ids": model.ids, "scores": rounded(logits[where].softmax(-1)), "fillings": fillings}


def question_answering(folder):
    model = Model(folder, transformers.AutoModelForQuestionAnswering)
    for question, context in QUESTIONS:
        outputs = model(question, context)
        yield {"question": question, "context": context, "input_ids": model.ids,
               "start_logits": rounded(outputs.start_logits[0]), "end_logits": rounded(outputs.end_logits[0])}


def feature_extraction(folder, texts):
    """Mean over the tokens, then length 1, as sentence-transformers pools."""
    model = Model(folder, transformers.AutoModel)
    for text in texts:
        mean = model(text).last_hidden_state[0].mean(0)
        yield {"text": text, "input_ids": model.ids, "embedding": rounded(torch.nn.functional.normalize(mean, dim=0))}


def write(name, value):
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    text = json.dumps(versions | value, indent=1, ensure_ascii=False)
    (ROOT / "testdata" / name).write_text(text + "\n", encoding="utf-8")
    print(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT / "../shared", help="default: %(default)s")
    shared = parser.parse_args().shared
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)

    demo = text_classification(ROOT / "testdata/sst2-bert-tiny", SENTENCES)
    near = [case["text"] for case in demo if abs(case["scores"]["POSITIVE"] - 0.5) < CLOSEST]
    assert not near, f"nearly undecided: {near}"
    write("sst2-bert-tiny-golden.json", {"model": "sst2-bert-tiny", "cases": demo})

    fixtures = ROOT / "testdata/fixtures"
    tasks = []
    for name, task, cases in [
        ("bert-text-classification-tokenizer", "text-classification", lambda path: text_classification(path, WORDS)),
        ("bert-text-classification-vocab-uncased", "text-classification", lambda path: text_classification(path, WORDS)),
        ("bert-token-classification-tokenizer", "token-classification", token_classification),
        ("bert-token-classification-vocab-cased", "token-classification", token_classification),
        ("bert-fill-mask-tokenizer", "fill-mask", fill_mask),
        ("distilbert-question-answering-tokenizer", "question-answering", question_answering),
        ("distilbert-question-answering-vocab-cased", "question-answering", question_answering),
        ("bert-feature-extraction-sentence-mean", "feature-extraction", lambda path: feature_extraction(path, WORDS)),
        ("mpnet-feature-extraction-sentence-vocab", "feature-extraction", lambda path: feature_extraction(path, WORDS)),
    ]:
        tasks.append({"source": f"fixtures/{name}", "task": task, "cases": list(cases(fixtures / name))})
    tasks.append({"source": "shared/models/stsb-bert-mini", "task": "feature-extraction",
                  "cases": list(feature_extraction(shared / "models/stsb-bert-mini", PAIRS))})
    write("pipelines-golden.json", {"tasks": tasks})


if __name__ == "__main__":
    main()
