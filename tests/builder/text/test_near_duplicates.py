"""TF-IDF de-duplication: the kept set of the batched product equals scikit-learn, post by post."""

import itertools
import math
import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from dataset_builder.synthetic.text import WORDS
from dataset_builder.text import near_duplicates as module
from dataset_builder.text.near_duplicates import TOKEN, near_duplicates

ODD = ["straße", "STRASSE", "İstanbul", "日本語", "naïve", "x" * 16, "x" * 17, "y" * 40, "a", "😀",
       "foo_bar", "l'été", "²²", "١٢", "e\u0301e"]  # fmt: skip


def by_scikit_learn(posts, texts, threshold, vectorizer=None):
    """(dropped, because of) pairs, the plain way."""
    found, start = [], 0
    for _, group in itertools.groupby(posts):
        size = len(list(group))
        part = texts[start : start + size]
        try:
            model = vectorizer or TfidfVectorizer().fit(part)
            matrix = model.transform(part)
        except ValueError:
            start += size
            continue
        cosines, kept = np.round((matrix @ matrix.T).toarray(), 9), []
        for index in range(size):
            hit = next((k for k in kept if cosines[index, k] >= threshold), None)
            if hit is None:
                kept.append(index)
            else:
                found.append((start + index, start + hit))
        start += size
    return found


def crowd(seed, posts, vocabulary):
    """Posts whose comments repeat and vary each other."""
    draw = random.Random(seed)
    numbers, texts = [], []
    for post in range(posts):
        words, mine = draw.sample(vocabulary, min(60, len(vocabulary))), []
        for _ in range(min(50, int(draw.paretovariate(0.8) * 2))):
            if mine and draw.random() < 0.3:
                parts = draw.choice(mine).split(" ")
                parts[draw.randrange(len(parts))] = draw.choice(words)
                mine.append(" ".join(parts))
            else:
                mine.append(" ".join(draw.choices(words, k=draw.randint(1, 20))))
        numbers += [post] * len(mine)
        texts += mine
    return numbers, texts


@pytest.mark.parametrize("threshold", [0.6, 0.7])
@pytest.mark.parametrize("seed", [1, 2])
def test_equals_scikit_learn(seed, threshold, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 300)  # several batches
    posts, texts = crowd(seed, 250, [*WORDS, *ODD])
    mine = [(near.index, near.of) for near in near_duplicates(posts, texts, threshold)]
    assert mine == by_scikit_learn(posts, texts, threshold)
    assert len(mine) > 50


def test_small_vocabularies_are_full_of_ties():
    posts, texts = crowd(3, 300, list(WORDS[:8]))
    mine = [(near.index, near.of) for near in near_duplicates(posts, texts, 0.6)]
    assert mine == by_scikit_learn(posts, texts, 0.6)


@pytest.mark.slow
def test_equals_scikit_learn_on_many_comments():
    posts, texts = crowd(4, 6000, [*WORDS, *ODD])
    mine = [(near.index, near.of) for near in near_duplicates(posts, texts, 0.6)]
    assert mine == by_scikit_learn(posts, texts, 0.6)


def test_colliding_hashes_change_nothing(monkeypatch):
    """The hash only sorts: with the worst one possible the answer is the same."""
    monkeypatch.setattr(module, "_mix", lambda *values: np.zeros(len(values[0]), np.uint64))
    posts, texts = crowd(5, 60, [*WORDS, *ODD])
    mine = [(near.index, near.of) for near in near_duplicates(posts, texts, 0.6)]
    assert mine == by_scikit_learn(posts, texts, 0.6)


def test_corpus_idf():
    posts, texts = crowd(6, 100, list(WORDS))
    model = TfidfVectorizer().fit(texts)
    tokens = {token for text in texts for token in TOKEN.findall(text.lower())}
    count = {t: sum(t in set(TOKEN.findall(x.lower())) for x in texts) for t in tokens}
    idf = {t: math.log((1 + len(texts)) / (1 + n)) + 1 for t, n in count.items()}
    mine = [(near.index, near.of) for near in near_duplicates(posts, texts, 0.6, idf)]
    assert mine == by_scikit_learn(posts, texts, 0.6, model)
    assert mine != by_scikit_learn(posts, texts, 0.6)


def test_greedy_by_rank():
    """b is like a and c is like b, but c is not like a: c stays, because b is gone."""
    a = "river mountain garden window kitchen bridge harbor lantern"
    b = "river mountain garden window kitchen bridge meadow orchard"
    c = "garden window kitchen bridge meadow orchard pebble ribbon"
    found = list(near_duplicates([0, 0, 0], [a, b, c], 0.55))
    assert [(near.index, near.of) for near in found] == [(1, 0)]
    assert 0.55 <= found[0].cosine < 1


@pytest.mark.parametrize("texts", [["! ?", "a b"], [""], ["😀", "😀"]])
def test_texts_without_tokens_are_never_alike(texts):
    assert list(near_duplicates([0] * len(texts), texts, 0.6)) == []


def test_posts_do_not_touch_each_other():
    assert list(near_duplicates([0, 1, 2], ["same words here"] * 3, 0.6)) == []
    assert list(near_duplicates([], [], 0.6)) == []
