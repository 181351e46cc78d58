"""Every golden case of the metrics, statistics and parsers, by the formulas that scoring uses."""

import json
import math

import numpy as np
import pytest

from evaluating.support import BENCHMARKS, GOLDENS, entries, golden, metric, score_rows
from places import SHARED, needs_shared
from trainer.evaluation.inputs.files import read_sheet
from trainer.evaluation.metrics.label_accuracy.formula import sum_of_softmax, top_k
from trainer.evaluation.metrics.percent_liked_error.formula import likes_fit
from trainer.evaluation.metrics.rank_correlation.formula import parse_score
from trainer.evaluation.protocols.labels import joint_digits, label_scores
from trainer.evaluation.protocols.parse import parse_percent
from trainer.evaluation.scoring.outcome import point
from trainer.evaluation.stats.bootstrap import interval
from trainer.evaluation.stats.families import holm, over_seeds
from trainer.evaluation.stats.paired import (
    clustered_error,
    difference_interval,
    mcnemar,
    sign_flip,
)
from trainer.evaluation.stats.statistics_of import Mean, Rho, cluster_codes
from trainer.evaluation.tasks import find
from trainer.evaluation.tasks.abstract import vote_labels
from trainer.evaluation.tasks.emotion6 import rows as emotion6_rows
from trainer.evaluation.tasks.gaze import REGIONS, osie, salicon, true_order
from trainer.evaluation.tasks.hvu import CATEGORIES, categories
from trainer.evaluation.tasks.persuasion import TEXT_LABELS, TEXTS
from trainer.evaluation.tasks.pitt_labels import CLUB, SENTIMENTS, TOPICS

pytestmark = needs_shared("goldens/evaluation", "data/benchmarks")


def near(value: float, tolerance: float) -> object:
    return pytest.approx(value, abs=max(tolerance, 1e-9))


@pytest.mark.parametrize("name", ["relationship", "scene"])
def test_lvu_clips_are_combined_by_softmax(name: str) -> None:
    case = golden(f"lvu_top1_{name}")
    (task,) = find(f"lvu/{name}")
    test = set(case["annotations"]["split"]["test"])
    rows = [
        {"id": p["video"], "clip": p["clip"], "labels": entries(task.labels, p["logits"])}
        for p in case["predictions"]
        if p["video"] in test
    ]
    outcome = score_rows(task.name, BENCHMARKS, rows)[name]
    value, _ = point(outcome)
    assert value is not None
    assert 100 * value == near(case["expected"]["test"]["accuracy_percent"], 1e-9)
    assert len(outcome.ids) == case["expected"]["test"]["n"]
    wrong = case["expected"]["not_this_sum_of_logits_percent_test"]
    assert 100 * value != near(wrong, 1e-3)


def test_val_is_scored_like_test() -> None:
    case = golden("lvu_top1_scene")
    clips: dict[str, list[list[float]]] = {}
    for row in case["predictions"]:
        clips.setdefault(row["video"], []).append(row["logits"])
    videos = case["annotations"]["split"]["val"]
    right = [
        sum_of_softmax(np.array(clips[v])).argmax() == case["annotations"]["truth"][v]
        for v in videos
    ]
    assert 100 * np.mean(right) == near(case["expected"]["val"]["accuracy_percent"], 1e-9)


@pytest.mark.parametrize("name", ["like_ratio", "view_count"])
def test_lvu_regression_is_in_official_units(name: str) -> None:
    case = golden(f"lvu_mse_{name}")
    test = set(case["annotations"]["split"]["test"])
    rows = [
        {"id": p["video"], "clip": p["clip"], "answer": str(p["natural"])}
        for p in case["predictions"]
        if p["video"] in test
    ]
    outcome = score_rows(f"lvu/{name}", BENCHMARKS, rows)[name]
    assert point(outcome)[0] == near(case["expected"]["mse_test"], 1e-9)
    (task,) = find(f"lvu/{name}")
    assert task.train is not None
    mean = np.mean([e.truth for e in task.train(BENCHMARKS)])
    truth = np.array([e.truth for e in task.examples(BENCHMARKS)])
    constant = float(((truth - mean) ** 2).mean())
    assert constant == near(case["expected"]["full_test_baseline_constant_train_mean_mse"], 1e-9)
    assert task.cells[0].constant == near(constant, 1e-9)


def test_exact_match_of_the_question_sets() -> None:
    for name, task in (
        ("msvd_qa_exact", "msvd_qa/test"),
        ("msrvtt_qa_exact", "msrvtt_qa/val"),
    ):
        case = golden(name)
        rows = [{"id": p["question_id"], "answer": p["answer"]} for p in case["predictions"]]
        outcome = score_rows(task, BENCHMARKS, rows)["exact_match"]
        found = outcome.complete().guess.mean()
        assert found == near(case["expected"]["normalised_exact"], 1e-12)
        assert outcome.beside["strict"] == near(case["expected"]["strict_exact"], 1e-12)
        for kind, expected in case["expected"]["by_type"].items():
            got = outcome.beside["by_type"][kind]
            assert (got["correct"], got["n"]) == (expected["correct"], expected["n"])
        assert len(set(outcome.clusters)) == case["expected"]["videos"]


def test_activitynet_free_line_divides_by_its_own_counts() -> None:
    case = golden("activitynet_qa_exact")
    expected = case["expected"]
    rows = [{"id": p["question_id"], "answer": p["answer"]} for p in case["predictions"]]
    outcome = score_rows("activitynet_qa/test", BENCHMARKS, rows)["exact_match"]
    assert outcome.complete().guess.mean() == near(expected["normalised_exact"]["all"], 1e-9)
    by_type = outcome.beside["by_type"]
    official = expected["official_exact"]
    assert {k: v["strict"] for k, v in by_type.items()} == official["correct_by_type"]
    assert {k: v["n"] for k, v in by_type.items()} == official["count_by_type"]
    assert outcome.beside["strict"] == near(official["all"], 1e-9)
    assert outcome.beside["free_strict"] == near(expected["free"], 1e-9)
    assert outcome.beside["empty"] == expected["empty"]
    (task,) = find("activitynet_qa/test")
    gold = [{"id": e.id, "answer": e.truth} for e in task.examples(BENCHMARKS)]
    perfect = score_rows("activitynet_qa/test", BENCHMARKS, gold)["exact_match"]
    assert perfect.beside["free_strict"] == 1.0


def test_judge_replies() -> None:
    case = golden("judge_yes_no")
    result = metric("judged_answers").compute(predictions=case["predictions"])
    kit = case["expected"]["kit"]
    assert (result["n"], result["unparsed"]) == (kit["n"], kit["unparsed"])
    assert result["accuracy"] == near(kit["accuracy_of_parsed"], 1e-12)
    assert result["accuracy_all"] == near(kit["accuracy_unparsed_as_no"], 1e-12)
    assert result["score"] == near(kit["mean_score_of_parsed"], 1e-12)
    assert result["score_cut_to_int"] == near(kit["mean_int_score_of_parsed"], 1e-12)
    from trainer.evaluation.metrics.judged_answers.formula import one_to_ten, yes_no

    for row in case["expected"]["per_reply"]:
        assert yes_no(row["reply"]) == row["kit"], row["reply"]
    case = golden("judge_1_to_10")
    assert [one_to_ten(text) for text in case["predictions"]] == case["expected"]["values"]


def test_spearman_of_lambda_and_videomem() -> None:
    case = golden("spearman_lambda")
    ids = case["annotations"]["question_id"]
    rows = [{"id": str(i), "answer": a} for i, a in zip(ids, case["predictions"], strict=True)]
    outcome = score_rows("lambda_ads/rho", BENCHMARKS, rows)["rho"]
    assert point(outcome)[0] == near(case["expected"]["rho"], 1e-9)
    assert int((~outcome.parsed).sum()) == case["expected"]["unparsed"]
    assert [parse_score(a) for a in case["predictions"]] == case["expected"]["parsed"]
    case = golden("spearman_videomem")
    videos = case["annotations"]["video"]
    for kind, name in (("fine", "fine_00_99"), ("coarse", "coarse_tens")):
        for term in ("short", "long"):
            rows = [
                {"id": v, "answer": f"{p:02d}"}
                for v, p in zip(videos, case["predictions"][name], strict=True)
            ]
            value, flags = point(score_rows(f"videomem/{term}", BENCHMARKS, rows)["rho"])
            assert value == near(case["expected"][kind][term], 1e-9)
            assert not flags
    assert value != near(case["expected"]["not_this_no_tie_formula_coarse_short"], 1e-3)
    rows = [{"id": v, "answer": "50"} for v in videos]
    assert point(score_rows("videomem/short", BENCHMARKS, rows)["rho"]) == (0.0, ("constant",))


def test_digits_are_joint() -> None:
    case = golden("memorability_digits")
    differs = 0
    for item, expected in zip(case["predictions"], case["expected"], strict=True):
        found = joint_digits(item["log_p_first_digit"], item["log_p_second_given_first"])
        assert found["argmax"] == expected["argmax"]
        assert found["expectation"] == near(expected["expectation"], 1e-6)
        assert found["log_p"] == near(expected["log_p_of_argmax"], 1e-6)
        differs += found["argmax"] != expected["not_this_greedy_digit_by_digit"]
    assert differs


def test_pitt_topic_is_one_based() -> None:
    case = golden("pitt_topic")
    rows = [
        {"id": v, "answer": TOPICS[n - 1] if 1 <= n <= 38 else "?"}
        for v, n in case["predictions"]["one_based"].items()
    ]
    value, _ = point(score_rows("pitt/topic", BENCHMARKS, rows)["accuracy"])
    assert value == near(case["expected"]["accuracy"], 1e-12)
    assert value != near(case["expected"]["not_this_off_by_one"], 1e-3)


def test_pitt_sentiments_under_three_rules() -> None:
    case = golden("pitt_sentiment")
    expected = case["expected"]
    rows = [
        {"id": v, "labels": entries(SENTIMENTS, s)}
        for v, s in case["predictions"]["scores_0_99"].items()
    ]
    found = score_rows("pitt/sentiment_30", BENCHMARKS, rows)
    assert point(found["accuracy"])[0] == near(expected["accuracy_clean"], 1e-9)
    assert point(found["accuracy_any"])[0] == near(expected["accuracy_any_annotator"], 1e-9)
    assert point(found["accuracy_two"])[0] == near(expected["accuracy_two_annotators"], 1e-9)
    for rule in ("any", "two"):
        outcome = found[f"map_{rule}_macro"]
        assert outcome.value == near(expected[f"map_{rule}"]["macro"], 1e-9)
        assert outcome.beside["micro"] == near(expected[f"map_{rule}"]["micro"], 1e-9)
    clubs = score_rows("pitt/sentiment_7", BENCHMARKS, rows)
    assert point(clubs["accuracy"])[0] == near(expected["clubbed_accuracy_clean"], 1e-9)
    assert point(clubs["accuracy_any"])[0] == near(expected["clubbed_accuracy_any"], 1e-9)
    assert case["settings"]["club_map_v1"] == CLUB
    from trainer.evaluation.scoring.annotators import annotator_votes

    (task,) = find("pitt/sentiment_30")
    items = [e for e in task.examples(BENCHMARKS) if e.id in expected["votes"]]
    votes = annotator_votes(BENCHMARKS, items)
    assert {e.id: v for e, v in zip(items, votes, strict=True)} == expected["votes"]


def test_action_retrieval() -> None:
    case = golden("pitt_action_retrieval")
    result = metric("statement_retrieval").compute(
        predictions=[p["scores"] for p in case["predictions"]],
        references=[p["truth"] for p in case["predictions"]],
    )
    assert result["ranks"] == case["expected"]["rank_of_truth"]
    assert result["accuracy"] == near(case["expected"]["accuracy"], 1e-12)
    expected = case["expected"]["mean_reciprocal_rank"]
    assert result["mean_reciprocal_rank"] == near(expected, 1e-12)


def test_persuasion_in_set() -> None:
    case = golden("persuasion")
    scores, truth = np.array(case["predictions"]), np.array(case["annotations"]["truth"])
    assert case["annotations"]["column_order"] == list(TEXT_LABELS)
    found = top_k(scores, truth, 3)
    for key in ("top1", "top3"):
        assert found[key] == near(case["expected"][key], 1e-12)
    assert found["recall_at_3"] == near(case["expected"]["recall_at_3"], 1e-12)
    header, rows = read_sheet(BENCHMARKS, TEXTS)
    column = [header.index(name) for name in TEXT_LABELS]
    real = np.array([[rows[r][c] for c in column] for r in case["annotations"]["rows"]])
    assert ((truth - real) >= 0).all()  # the golden adds a second strategy to some rows


def test_hvu_average_precision() -> None:
    case = golden("hvu_map")
    category_of = categories(BENCHMARKS)
    means, classes_seen = [], []
    for name, scores in case["predictions"]["scores_0_99"].items():
        tags = sorted(tag for tag, category in category_of.items() if category == name)
        truth = [[int(t in row.split("|")) for t in tags] for row in case["annotations"]["tags"]]
        found = metric("tag_average_precision").compute(predictions=scores, references=truth)
        expected = case["expected"][name]
        assert found["value"] == near(expected["mAP_rows_with_category"], 1e-9)
        assert found["segments"] == expected["rows_with_category"]
        assert found["classes_with_positives"] == expected["classes_with_positives"]
        known = {t: v for t, v in zip(tags, found["per_class"], strict=True) if v is not None}
        for tag, value in expected["ap_first_five"].items():
            assert known[tag] == near(value, 1e-9)
        whole = metric("tag_average_precision").compute(
            predictions=scores, references=truth, with_category_only=False
        )
        assert whole["value"] == near(expected["mAP_all_rows"], 1e-9)
        means.append(found["value"])
        classes_seen += known.values()
    assert np.mean(means) == near(case["expected"]["overall_mean_of_categories"], 1e-9)
    assert np.mean(classes_seen) == near(case["expected"]["mean_over_all_classes"], 1e-9)


def test_hvu_tag_picking() -> None:
    case = golden("hvu_4096")
    found = metric("tag_picking").compute(
        predictions=[p["picks"] for p in case["predictions"]],
        references=[text.split("|") for text in case["annotations"]["tags"]],
        candidates=[p["candidates"] for p in case["predictions"]],
        categories=categories(BENCHMARKS),
    )
    for name in CATEGORIES:
        assert found["categories"][name] == case["expected"][name]
    assert found["overall"] == near(case["expected"]["overall_mean_of_categories"], 1e-12)
    for key in ("unparsed_picks", "empty_items"):
        assert found[key] == case["expected"][key]
    expected = case["expected"]["tag_precision_of_valid_picks"]
    assert found["tag_precision"] == near(expected, 1e-12)


def test_likes_are_never_raw_alone() -> None:
    case = golden("likes_r2")
    guess = [parse_percent(text) for text in case["predictions"]]
    kept = [i for i, value in enumerate(guess) if value is not None]
    truth = np.array(case["annotations"]["truth_percent_liked"])
    train = case["annotations"]["train_percent_liked"]
    expected = case["expected"]
    assert len(guess) - len(kept) == expected["unparsed"]
    found = likes_fit(np.array([guess[i] for i in kept], float), truth[kept], float(np.mean(train)))
    for key in ("r2_raw", "r2_winsorised", "r2_log1p", "spearman", "r2_constant_train_mean"):
        assert found[key] == near(expected[key], 1e-9)
    assert found["winsor_limits"] == near(expected["winsor_limits"], 1e-9)


def test_comment_perplexity() -> None:
    case = golden("comment_perplexity")
    from trainer.evaluation.metrics.comment_perplexity.formula import perplexities

    rows = case["predictions"]
    found = perplexities(
        np.array([-sum(r["logprobs"]) for r in rows]),
        np.array([len(r["logprobs"]) for r in rows]),
        np.array([len(r["text"].encode()) for r in rows]),
    )
    expected = case["expected"]
    assert (found["tokens"], found["bytes"]) == (expected["tokens"], expected["bytes"])
    assert found["per_token"] == near(expected["perplexity_per_token"], 1e-9)
    assert found["per_byte"] == near(expected["perplexity_per_byte"], 1e-9)
    assert found["bits_per_byte"] == near(expected["bits_per_byte"], 1e-9)


def test_statistics() -> None:
    case = golden("stats_paired_binary_clustered")
    a, b = (np.array(case["predictions"][k], float) for k in "ab")
    codes, clusters = cluster_codes(case["annotations"]["cluster"])
    expected, wide = case["expected"], case["tolerance"]["bootstrap limits"]
    assert clusters == expected["clusters"]
    assert a.mean() - b.mean() == near(expected["difference"], 1e-9)
    p, counts = mcnemar(a, b)
    assert (p, list(counts)) == (near(expected["mcnemar_exact_p"], 1e-9), expected["discordant"])
    items = np.arange(len(a))
    for of, n, key in (
        (items, len(a), "paired_bootstrap_ci"),
        (codes, clusters, "cluster_bootstrap_ci_difference"),
    ):
        found = difference_interval(Mean.of(a, of, n), Mean.of(b, of, n), n)
        assert found is not None
        assert [found.low, found.high] == near(expected[key], wide)
    for of, n, key in (
        (items, len(a), "accuracy_a_ci_items"),
        (codes, clusters, "accuracy_a_ci_clusters"),
    ):
        found = interval(Mean.of(a, of, n), n)
        assert found is not None
        assert [found.low, found.high] == near(expected[key], wide)
    assert clustered_error(a, codes, clusters) == near(expected["se_clustered_cr0"], 1e-9)


def test_permutation_holm_seeds_and_rho_difference() -> None:
    case = golden("stats_paired_small")
    difference = np.array(case["predictions"]["a"]) - np.array(case["predictions"]["b"])
    exact = sign_flip(difference)
    assert exact.exact
    assert exact.p == near(case["expected"]["p_sign_flip_exact"], 1e-12)
    case = golden("stats_holm")
    assert holm(case["predictions"]["p"]) == near(case["expected"]["holm_adjusted"], 1e-12)
    case = golden("stats_seeds")
    found = over_seeds(case["predictions"]["value_per_seed"])
    assert found["mean"] == near(case["expected"]["mean"], 1e-9)
    assert found["sd"] == near(case["expected"]["sd"], 1e-9)
    assert found["interval"] == near(case["expected"]["ci95_t"], 1e-9)
    case = golden("stats_spearman_difference")
    truth = np.array(case["annotations"]["truth"])
    codes = np.arange(len(truth))
    a, b = (Rho(truth, np.array(case["predictions"][k]), codes) for k in "ab")
    ones = np.ones((1, len(truth)))
    assert a(ones)[0] == near(case["expected"]["rho_a"], 1e-9)
    assert b(ones)[0] == near(case["expected"]["rho_b"], 1e-9)
    spread = difference_interval(a, b, len(truth))
    assert spread is not None
    assert [spread.low, spread.high] == near(case["expected"]["ci"], case["tolerance"]["ci"])


def test_region_order_on_real_gaze() -> None:
    case = golden("saliency_regions")
    items = {e.id: e for e in [*salicon(SHARED / "data"), *osie(SHARED / "data")]}
    ranks = metric("region_order")
    rho, top = [], []
    for predicted, expected in zip(case["predictions"], case["expected"]["items"], strict=True):
        example = items[expected["image"]]
        assert list(example.truth) == expected["counts"]
        assert true_order(list(example.truth)) == expected["true_order"]
        order = [REGIONS.index(name) for name in predicted["order"]]
        found = ranks.compute(predictions=[order], references=[expected["counts"]])
        assert found["rho"] == near(expected["spearman"], 1e-9)
        rho.append(found["rho"])
        top.append(found["top1"])
    assert np.mean(rho) == near(case["expected"]["mean_spearman"], 1e-9)
    assert np.mean(top) == near(case["expected"]["top1"], 1e-9)


def test_votes_to_labels() -> None:
    case = golden("abstract_votes")
    labels = list(vote_labels(case["annotations"]["csv_text"]).values())
    assert labels == case["expected"]["labels"]
    assert sum(label is not None for label in labels) == case["expected"]["kept"]
    case = golden("emotion6_votes")
    rows = emotion6_rows(case["annotations"]["tsv_text"])
    assert [(k, v) for _, k, v in rows] == [
        (r["keyword_label"], r["vote_label_of_six"]) for r in case["expected"]["rows"]
    ]


def test_label_normalisations_of_exact_fractions() -> None:
    case = golden("label_scoring_table_lm")
    rows = case["expected"]["labels"]
    table = {
        str(i): {
            "logprob": r["sum"],
            "tokens": len(tokens),
            "bytes": len("".join(tokens)),
            "first": r["first_token"],
            "prior": r["sum"] - r["pmi"],
        }
        for i, (r, tokens) in enumerate(zip(rows, case["annotations"]["labels"], strict=True))
    }
    names = {"byte_normalised": "byte", "first_token": "first"}
    for key, best in case["expected"]["argmax"].items():
        scores = label_scores(table, list(table), names.get(key, key))
        assert scores is not None
        assert list(scores) == near([r[key] for r in rows], 1e-12)
        assert scores.argmax() == best


def test_the_older_set() -> None:
    cases = {c["name"]: c for c in json.loads((GOLDENS / "metrics.json").read_text())["cases"]}
    case = cases["label normalisations"]
    for way, expected in case["expected"].items():
        right = 0
        for item in case["inputs"]:
            table = {row["label"]: row for row in item["labels"]}
            scores = label_scores(table, list(table), {"byte_mean": "byte"}.get(way, way))
            assert scores is not None
            right += scores.argmax() == item["gold"]
        assert right / len(case["inputs"]) == near(expected, 1e-6)
    case = cases["clustered interval"]
    values = np.array(case["inputs"]["values"])
    codes, clusters = cluster_codes(case["inputs"]["cluster"])
    spread = interval(Mean.of(values, codes, clusters), clusters)
    assert spread is not None
    assert spread.standard_error == pytest.approx(case["expected"]["se_cluster"], rel=0.15)
    case = cases["pitt/topic accuracy"]
    rows = [{"id": v, "answer": TOPICS[n - 1]} for v, n in case["inputs"]["predicted"].items()]
    value, _ = point(score_rows("pitt/topic", BENCHMARKS, rows)["accuracy"])
    assert value == near(case["expected"]["accuracy"], 1e-6)
    case = cases["persuasion accuracy in set"]
    rows = [{"id": i, "answer": label} for i, label in case["inputs"]["predicted"].items()]
    value, _ = point(score_rows("persuasion/image", BENCHMARKS, rows)["image_accuracy"])
    assert value == near(case["expected"]["accuracy"], 1e-6)
    case = cases["likes r2"]
    found = likes_fit(
        np.array(case["inputs"]["predicted"]), np.array(case["inputs"]["truth"]), None
    )
    assert found["r2_raw"] == near(case["expected"]["r2"], 1e-6)
    assert found["r2_winsorised"] == near(case["expected"]["r2_winsorised"], 1e-6)
    assert found["r2_log1p"] == near(case["expected"]["r2_log"], 1e-6)
    case = cases["memorability digits"]
    for joint, expected in zip(case["inputs"], case["expected"], strict=True):
        with np.errstate(divide="ignore"):
            table = np.log(np.array(joint).reshape(10, 10))
        found = joint_digits(np.zeros(10), table)
        assert found["argmax"] == expected["argmax"]
        assert found["expectation"] == near(expected["expectation"], 1e-4)
    assert not math.isnan(found["log_p"])
