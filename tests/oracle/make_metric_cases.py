"""Writes testdata/metrics: recorded answers of the field's own scorers on random and hand-made cases.

  pip install "transformers<5" scikit-learn seqeval pytrec_eval-terrier scipy numpy
  python tests/oracle/make_metric_cases.py testdata/metrics

SQuAD: the evaluation script as transformers 4 carries it; entities: seqeval; rankings: trec_eval by pytrec_eval.
"""
import json
import os
import random
import string
import sys
import warnings

import numpy as np
import pytrec_eval
import scipy.special
import scipy.stats
import sklearn.metrics as sk
from seqeval.metrics import f1_score as entity_f1
from seqeval.metrics.sequence_labeling import get_entities
from transformers.data.metrics import squad_metrics

warnings.filterwarnings("ignore")


def classification(rng):
    cases = []
    for classes, count in [(2, 1), (2, 30), (2, 200), (3, 57), (7, 90), (20, 25), (2, 12), (4, 9)]:
        expected = [rng.randrange(classes) for _ in range(count)]
        skill = rng.random()
        predicted = [e if rng.random() < skill else rng.randrange(classes) for e in expected]
        if (classes, count) == (2, 12):
            expected = [0] * count  # the positive class is never expected
        if (classes, count) == (4, 9):
            predicted = [2] * count  # always the same answer
        case = {"classes": classes, "expected": expected, "predicted": predicted,
                "accuracy": sk.accuracy_score(expected, predicted),
                "macro": sk.f1_score(expected, predicted, average="macro", zero_division=0),
                "micro": sk.f1_score(expected, predicted, average="micro", zero_division=0),
                "weighted": sk.f1_score(expected, predicted, average="weighted", zero_division=0),
                "matthews": sk.matthews_corrcoef(expected, predicted)}
        if classes == 2:
            case["binary"] = sk.f1_score(expected, predicted, average="binary", zero_division=0)
        cases.append(case)
    return cases


def correlation(rng):
    cases = []
    for count, ties in [(2, False), (5, True), (40, False), (40, True), (333, True)]:
        a = [float(rng.randrange(6)) if ties else rng.gauss(0, 1) for _ in range(count)]
        b = [x + (float(rng.randrange(4)) if ties else rng.gauss(0, 1)) for x in a]
        cases.append({"a": a, "b": b, "pearson": float(scipy.stats.pearsonr(a, b)[0]),
                      "spearman": float(scipy.stats.spearmanr(a, b)[0]), "ranks": scipy.stats.rankdata(a).tolist()})
    return cases


def tag_sequence(rng, length, scheme):
    types, tags = ["PER", "ORG", "creative-work"], []
    while len(tags) < length:
        if scheme == "any":  # whatever a model may emit
            tags.append(rng.choice(["O", "O", "B-", "I-", "I-", "E-", "S-"]))
            if tags[-1] != "O":
                tags[-1] += rng.choice(types)
            continue
        size = min(rng.randrange(0, 4), length - len(tags))
        kind = rng.choice(types)
        if size == 0:
            tags.append("O")
        elif scheme == "IOB2":
            tags += ["B-" + kind] + ["I-" + kind] * (size - 1)
        elif scheme == "IOB1":
            again = tags and tags[-1][2:] == kind
            tags += [("B-" if again else "I-") + kind] + ["I-" + kind] * (size - 1)
        else:
            tags += ["S-" + kind] if size == 1 else ["B-" + kind] + ["I-" + kind] * (size - 2) + ["E-" + kind]
    return tags


def entities(rng):
    cases = []
    for scheme in ["IOB2", "IOB1", "IOBES", "any", "any"]:
        for _ in range(6):
            expected = [tag_sequence(rng, rng.randrange(1, 12), scheme) for _ in range(rng.randrange(1, 7))]
            predicted = []
            for tags in expected:
                other = tag_sequence(rng, len(tags), "any" if scheme == "any" or rng.random() < 0.3 else scheme)
                predicted.append([t if rng.random() < 0.8 else o for t, o in zip(tags, other)])
            cases.append({"expected": expected, "predicted": predicted,
                          "chunks": [[list(c) for c in get_entities(tags)] for tags in predicted],
                          "micro": float(entity_f1(expected, predicted)),
                          "macro": float(np.nan_to_num(entity_f1(expected, predicted, average="macro")))})
    return cases


ANSWERS = [
    ("308", ["308"]), ("The 308.", ["308", "three hundred"]), ("a Café", ["café"]), ("", []), ("something", []), ("", ["answer"]),
    ("the", ["a"]), ("U.S. Army", ["US army", "the United States Army"]), ("İstanbul", ["i̇stanbul"]), ("ΟΔΟΣ", ["οδος"]),
    ("the-theory", ["theory"]), ("an\u00a0apple  \t pie", ["apple pie"]), ("a.b.c", ["abc", "bc"]), ("x the the y", ["x y"]),
    ("naïve the naïve", ["naïve"]), ("über-a-lot", ["überalot"]), ("$1,000", ["1000"]), ("Straße a", ["straße"]), ("athe the aan", ["athe aan"]),
    ("你好 a 世界", ["你好 世界"]), ("1 1 1 2", ["1 1 2 2"]), ("“quoted”", ["quoted"]), ("a\u2003b", ["b"]), ("the", ["the"]), ("", ["the", "!"]),
    ("ǅ Ⅷ", ["ǆ ⅷ"]), ("caf\u0065\u0301 a\u0301", ["cafe\u0301"]), ("_a_", ["a"]), ("b_a b", ["ba b"]), ("ﬁ the ﬁn", ["ﬁ ﬁn"]),
]


def squad(rng):
    words = ["a", "an", "the", "cat", "Cat", "dog", "sat", "on", "mat", "1978", "U.S.", "Müller", "–", "\"so\"", "it's", "The,"]
    cases = list(ANSWERS)
    for _ in range(60):
        answers = [" ".join(rng.choice(words) for _ in range(rng.randrange(1, 5))) for _ in range(rng.randrange(1, 4))]
        guess = rng.choice(answers).split()
        if rng.random() < 0.7:
            guess = guess[rng.randrange(len(guess)):] + [rng.choice(words) for _ in range(rng.randrange(3))]
        cases.append((" ".join(guess) + rng.choice(["", ".", " " + rng.choice(string.punctuation)]), answers))
    result = []
    for prediction, answers in cases:
        gold = [a for a in answers if squad_metrics.normalize_answer(a)] or [""]
        result.append({"prediction": prediction, "answers": answers,
                       "normalized": squad_metrics.normalize_answer(prediction),
                       "exact": max(squad_metrics.compute_exact(a, prediction) for a in gold),
                       "f1": max(squad_metrics.compute_f1(a, prediction) for a in gold)})
    return result


def ranking(rng):
    cases = []
    for count in [1, 2, 5, 17, 60, 60, 60, 8]:
        relevance = [rng.choice([0, 0, 0, 1, 2, 3]) for _ in range(count)]
        if count == 8:
            relevance = [0] * count
        ties = rng.random() < 0.5
        scores = [float(rng.randrange(6)) if ties else rng.gauss(0, 1) + r for r in relevance]
        # trec_eval breaks ties by document name, the greater first: names count down.
        names = [f"d{99999 - i}" for i in range(count)]
        evaluator = pytrec_eval.RelevanceEvaluator({"q": dict(zip(names, relevance))},
                                                   {"ndcg_cut.3,10,100", "recip_rank"})
        got = evaluator.evaluate({"q": dict(zip(names, scores))})["q"]
        cases.append({"scores": scores, "relevance": relevance, "mrr": got["recip_rank"],
                      "ndcg": {k: got[f"ndcg_cut_{k}"] for k in ("3", "10", "100")}})
    return cases


def agreement(rng):
    cases = []
    for width, scale in [(2, 1), (9, 3), (50, 10), (7, 300)]:
        p = [float(np.float32(rng.gauss(0, scale))) for _ in range(width)]
        q = [float(np.float32(x + rng.gauss(0, scale / 10))) for x in p]
        a, b = np.array(p), np.array(q)
        log_p, log_q = scipy.special.log_softmax(a), scipy.special.log_softmax(b)
        target = rng.randrange(width)
        cases.append({"reference": p, "values": q, "target": target,
                      "kl": float(np.sum(np.exp(log_p) * (log_p - log_q))),
                      "cosine": float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
                      "sqnr_db": float(20 * np.log10(np.linalg.norm(a) / np.linalg.norm(a - b))),
                      "negative_log_likelihood": float(-log_p[target])})
    values = [rng.gauss(0, 1) for _ in range(101)]
    quantiles = [0, 0.01, 0.025, 0.5, 0.9, 0.999, 1]
    return {"rows": cases, "values": values, "quantiles": [[q, float(np.quantile(values, q))] for q in quantiles]}


def intervals(rng):
    """Percentile intervals by scipy: ours are drawn from other random numbers and must be close, not equal."""
    right = [round(rng.random() ** 0.5, 4) for _ in range(400)]
    other = [round(max(0.0, r - abs(rng.gauss(0, 0.05))), 4) for r in right]
    a, b = np.array(other), np.array(right)
    mean = scipy.stats.bootstrap((a,), np.mean, n_resamples=20000, method="percentile", rng=1).confidence_interval
    ratio = scipy.stats.bootstrap((a, b), lambda x, y, axis=-1: x.mean(axis=axis) / y.mean(axis=axis), paired=True,
                                  n_resamples=20000, method="percentile", vectorized=True, rng=1).confidence_interval
    return {"score": other, "reference": right, "interval": [float(mean.low), float(mean.high)],
            "retention": [float(ratio.low), float(ratio.high)]}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for make in (classification, correlation, entities, squad, ranking, agreement, intervals):
        cases = make(random.Random(make.__name__))
        with open(os.path.join(folder, make.__name__ + ".json"), "w", encoding="utf-8") as file:
            if isinstance(cases, list):
                file.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
            else:
                file.write(json.dumps(cases, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
