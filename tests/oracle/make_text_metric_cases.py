"""Writes testdata/metrics/{rouge,porter,bleu,tokens}.json: what rouge-score, NLTK's stemmer and sacrebleu say of pairs of
texts, and the figures of llama.cpp's perplexity tool, over windows, by numpy and scipy.

  pip install rouge-score sacrebleu nltk scipy numpy
  python tests/oracle/make_text_metric_cases.py testdata/metrics
"""
import json
import os
import random
import sys

import numpy as np
import sacrebleu
import scipy.special
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

WORDS = ("the a cat cats sat sitting mat mats on under hopping hopped skies dying news succeed agreed plastered flies died tied happy enjoy "
         "relational conditional valenci digitizer radically fully differently vietnamization operator feudalism decisiveness hopefulness "
         "formaliti sensitivity sensibiliti geology theology triplicate formative formalize electricity electrical goodness revival "
         "allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption communism "
         "activate homologous effective bowdlerize probate rate cease controlling rolls yyyy by boy syzygy ion lion onion falling hissing fizzed "
         "failing filing sized troubled conflated oed ed ing sing string bed at ate 2nd 1990s x1 oow owed is as ass ies").split()
TEXTS = ["", " ", "the cat sat on the mat", "The cat sat on the mat.", "the the the the", "cat", "Café au lait, s'il vous plaît! \u212a\u0130",
         "你好，世界 hello 世界", "It costs $1,000.50 (approx.) - don't you think? 3-4 days; 5- x-ray", "a.b,c 1.2.3 ... ,, .5 5. x.", "<skipped>end-\nless &quot;A&amp;B&lt;&gt;&amp;lt;",
         "tabs\tand\nlines\r\nhere\u00a0nbsp\u2003em\x1csep", "emoji 🎉🎉 and ümläut straße", "line one\nline two\n", "ends with hyphen-\n", "[x]{y}|~^_`a` #@!*/\\ +=", "A" * 60,
         "1,2 1, 2 a,b a, b 1-2 a-b 1 -2", "e.g. U.S.A. 10.000,00", "&lt;b&gt; &notanentity; &"]


def random_text(rng):
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 40)))
    return text.capitalize() + rng.choice([".", "!", "", "?", ",", " ..."])


def changed(rng, text):
    words = text.split(" ")
    return " ".join(w for w in (rng.choice([w, w, w, w, rng.choice(WORDS), ""]) for w in words) if w)


def pairs(rng):
    found = [(rng.choice(TEXTS), rng.choice(TEXTS)) for _ in range(40)] + [(text, text) for text in TEXTS]
    for _ in range(40):
        text = random_text(rng)
        found.append((text, changed(rng, text)))
    return found


def rouge(rng):
    names = ["rouge1", "rouge2", "rougeL"]
    plain, stemmed = (rouge_scorer.RougeScorer(names, use_stemmer=stem) for stem in (False, True))
    cases = []
    for reference, text in pairs(rng):
        cases.append({"reference": reference, "text": text, "plain": [plain.score(reference, text)[n].fmeasure for n in names],
                      "stemmed": [stemmed.score(reference, text)[n].fmeasure for n in names]})
    return cases


def porter():
    stemmer = PorterStemmer()
    suffixes = "s es ies sses ed ied eed ing y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll".split()
    stems = "t tr tree oat troubl privat hop hopp fall fizz cav abc ay eye rely".split()
    words = sorted({word for word in WORDS if len(word) > 2} | {stem + suffix for stem in stems for suffix in suffixes})
    return [[word, stemmer.stem(word)] for word in words if len(word) > 2]


def bleu(rng):
    tokens = [[text, Tokenizer13a()(text.rstrip()).split()] for text in TEXTS]
    corpora = []
    for size in (1, 1, 1, 1, 1, 2, 3, 5, 12, 40):
        both = [rng.choice(pairs(rng)) for _ in range(size)]
        corpora.append(both)
    corpora += [[pair] for pair in pairs(rng)[:30]] + [[("a b c d e f", "a b c")], [("a b c d e f", "a b c d x")], [("a b c d", "a b c d")], [("x y", "a b")]]
    scores = [{"pairs": corpus, "bleu": sacrebleu.corpus_bleu([text for _, text in corpus], [[reference for reference, _ in corpus]]).score}
              for corpus in corpora]
    return {"tokens": tokens, "corpora": scores}


def clustered(sums, counts):
    """A ratio of sums over windows and its standard error by the delta method."""
    sums, counts = np.asarray(sums), np.asarray(counts)
    mean = sums.sum() / counts.sum()
    if len(sums) < 2:
        return mean, 0.0
    influence = len(sums) * (sums - mean * counts) / counts.sum()
    return mean, float(np.std(influence, ddof=1) / np.sqrt(len(sums)))


def token_figures(generator, vocabulary, lengths, noise):
    windows = []
    for length in lengths:
        reference = generator.normal(0, 2, (length, vocabulary)).astype(np.float32)
        logits = (reference + generator.normal(0, noise, reference.shape)).astype(np.float32)
        windows.append((reference, logits, generator.integers(0, vocabulary, length)))
    per_window, kls = [], []
    for reference, logits, targets in windows:
        log_p, log_q = (scipy.special.log_softmax(x.astype(np.float64), axis=1) for x in (reference, logits))
        kl = (np.exp(log_p) * (log_p - log_q)).sum(1)
        at = np.arange(len(targets)), targets
        delta = np.exp(log_q[at]) - np.exp(log_p[at])
        kls += kl.tolist()
        per_window.append([-log_q[at].sum(), -log_p[at].sum(), kl.sum(), delta.sum(), (delta ** 2).sum(),
                           (reference.argmax(1) == logits.argmax(1)).sum()])
    sums = np.array(per_window).T
    loss, reference_loss, difference = (clustered(s, lengths) for s in (sums[0], sums[1], sums[0] - sums[1]))
    square = clustered(sums[4], lengths)
    rms = np.sqrt(square[0])

    def power(mean):
        return [np.exp(mean[0]), np.exp(mean[0]) * mean[1]]

    expected = {"perplexity": power(loss), "reference_perplexity": power(reference_loss), "ln_perplexity_ratio": list(difference),
                "perplexity_ratio": power(difference), "kl_mean": list(clustered(sums[2], lengths)), "delta_p_mean": list(clustered(sums[3], lengths)),
                "delta_p_rms": [rms, square[1] / (2 * rms)], "same_top": list(clustered(sums[5], lengths)),
                "kl": [float(q) for q in (*np.quantile(kls, (.5, .99, .999)), max(kls))]}
    return {"windows": [[r.tolist(), q.tolist(), t.tolist()] for r, q, t in windows],
            **{key: [float(v) for v in value] for key, value in expected.items()}}


def tokens():
    generator = np.random.default_rng(11)
    return [token_figures(generator, v, lengths, noise) for v, lengths, noise in ((7, [4, 9, 1, 6], 0.5), (20, [12], 1.0), (3, [5, 5], 0.01))]


def main(folder):
    rng = random.Random(20)
    for name, value in (("rouge", rouge(rng)), ("porter", porter()), ("bleu", bleu(rng)), ("tokens", tokens())):
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
