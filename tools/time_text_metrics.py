#!/usr/bin/env python3
"""Times the text metrics' Python packages on the answers of a golden file, for benchmarks/metrics/text.cpp to be held against.

    tools/time_text_metrics.py [--pairs FILE] [--rounds N] [--program BENCH]
        FILE     a golden file of tools/export_text_metric_goldens.py; default tests/data/metrics/text.json
        BENCH    the program bench_metrics_text: it is run on the same pairs, and a table with the ratio of each metric is printed

Each package does what its users call, texts in, value out, one thread; words are split where a package wants words. What a package
remembers of texts it has seen (sacrebleu's tokenizer) is emptied each round. Best of N rounds, in microseconds a pair.
"""
import argparse
import json
import logging
import os
import pathlib
import subprocess
import sys
import time
import warnings

from nltk.translate import bleu_score, meteor_score
from pycocoevalcap.cider.cider_scorer import CiderScorer
from rouge import Rouge
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers import tokenizer_13a, tokenizer_re

HERE = pathlib.Path(__file__).parent.parent


class NoWordNet:
    @staticmethod
    def synsets(word):
        return []


def forget():
    tokenizer_13a.Tokenizer13a.__call__.cache_clear()
    tokenizer_re.TokenizerRegexp.__call__.cache_clear()


def metrics():
    sacre, sets = BLEU(effective_order=True), Rouge()
    plain = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    stemmed = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    uniform = [(1 / n,) * n for n in range(1, 5)]

    def words(text):
        return text.lower().replace(".", " .").split(" ")

    def cider(pairs):
        scorer = CiderScorer(n=4, sigma=6.0)
        for answer, reference in pairs:
            scorer += (answer, [reference])
        scorer.compute_score()

    def token_f1(a, r):
        a, r = set(words(a)), set(words(r))
        common = len(a & r)
        p, q = common / len(a), common / len(r)
        return 2 * p * q / (p + q) if p + q else 0

    def each(f):
        def run(pairs):
            for a, r in pairs:
                f(a, r)
        return run

    return {
        "bleu_nltk": each(lambda a, r: bleu_score.sentence_bleu([words(r)], words(a), weights=uniform)),
        "bleu_sacrebleu": each(lambda a, r: sacre.sentence_score(a, [r])),
        "rouge_score": each(lambda a, r: plain.score(r, a)),
        "rouge_score_stemmed": each(lambda a, r: stemmed.score(r, a)),
        "rouge_sets": each(lambda a, r: sets.get_scores(a, r)),
        "meteor": each(lambda a, r: meteor_score.single_meteor_score(r.split(), a.split(), wordnet=NoWordNet)),
        "cider": cider,
        "token_f1": each(token_f1),
    }


def ours(program, path):
    answer = subprocess.run([program, "--benchmark_format=json"], env=os.environ | {"MEDMO_TEXT_GOLDENS": str(path)},
                            capture_output=True, text=True, check=True)
    return {b["name"]: b["microseconds_a_pair"] for b in json.loads(answer.stdout)["benchmarks"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=pathlib.Path, default=HERE / "tests/data/metrics/text.json")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program")
    o = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    sys.setrecursionlimit(1_000_000)
    items = json.loads(o.pairs.read_text(encoding="utf-8"))["items"]
    pairs = [(i["answer"], i["references"][0]) for i in items if i["answer"].strip(" .") and i["references"][0].strip(" .")]
    mine = ours(o.program, o.pairs.resolve()) if o.program else {}
    print(f"{len(pairs)} pairs, us a pair; packages" + (", ours, ratio" if mine else ""))
    for name, run in metrics().items():
        best = float("inf")
        for _ in range(o.rounds):
            forget()
            begin = time.perf_counter()
            run(pairs)
            best = min(best, (time.perf_counter() - begin) / len(pairs) * 1e6)
        more = f"{mine[name]:10.2f} {best / mine[name]:8.1f}" if name in mine else ""
        print(f"{name:22}{best:10.1f}{more}", flush=True)


if __name__ == "__main__":
    main()
