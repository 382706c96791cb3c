"""The leaderboard's tables and its two pages."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import picture, write_picture
from fakes.records import HASH, OTHER_HASH, figures, make_record, make_value_record, published_row

from affectzoo.errors import AffectZooError, UnknownNameError
from affectzoo.leaderboard.board import board
from affectzoo.leaderboard.groups import ON_TEST, entries, groups
from affectzoo.leaderboard.page import Leaderboard, html, leaderboard, markdown, write_leaderboard
from affectzoo.leaderboard.papers import facts
from affectzoo.leaderboard.tables import Figure, Table, number, text
from affectzoo.metrics.names import title

LABELLED = f"accuracy, {ON_TEST}"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks that elements are closed in order; keeps attributes, texts and tables."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.caption: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.caption, self.rows = [], []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "table":
            self.tables.setdefault("".join(self.caption), self.rows)

    def handle_data(self, data: str) -> None:
        if "caption" in self.open:
            self.caption.append(data)
        elif self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def attributes(self, name: str) -> list[str]:
        return [str(found[name]) for _, found in self.tags if name in found]


def page(records: list[Any], published: Any = (), comparisons: Any = ()) -> Leaderboard:
    return leaderboard(records, published, comparisons, "2026-01-31")


def columns(table: Table | None) -> dict[str, list[Any]]:
    """Cells by column title."""
    assert table is not None
    assert all(len(row) == len(table.columns) for row in table.rows)
    return {column.title: [row[i] for row in table.rows] for i, column in enumerate(table.columns)}


def measured(*records: Any) -> dict[str, list[Any]]:
    (group,) = groups(records)
    return columns(board(group, ()).measured)


def test_rows_are_sorted_by_the_main_metric() -> None:
    found = measured(make_record("b", 0.5), make_record("c", None), make_record("a", 0.7))
    assert found["system"] == ["a", "b", "c"]
    assert found["accuracy"] == [Figure(0.7, "0.6900..0.7100"), Figure(0.5, "0.4900..0.5100"), None]
    assert found["parameters"] == [1_392_904] * 3
    assert found["GFLOPs"] == [0.123456789] * 3
    assert found["license"] == ["CC BY 4.0"] * 3
    assert found["timed on"] == ["cpu, 2 threads"] * 3
    assert "kappa" not in found
    assert "notes" not in found


@pytest.mark.parametrize(
    ("task", "metrics", "main"),
    [
        ("expression", "mean diagonal of the confusion matrix; also accuracy", "mean_diagonal"),
        ("expression", "AUC-PR, AUC", "auc_pr"),
        ("expression", "balanced something", "accuracy"),
        ("multitask", "accuracy, F1, kappa, alpha, AUC, AUC-PR; RMSE, CORR, SAGR, CCC", "accuracy"),
        ("va", "RMSE, CORR, SAGR, CCC", "ccc"),
    ],
)
def test_main_metric(task: str, metrics: str, main: str) -> None:
    (group,) = groups([make_record(protocol={"task": task, "metrics": metrics})])
    assert group.main == main


def test_a_metric_that_the_protocol_names_is_in_the_first_table() -> None:
    assert "kappa" in measured(make_record(protocol={"metrics": "accuracy, kappa"}))
    (group,) = groups([make_record()])
    further = next(table for table in board(group, ()).details if table.name == "further")
    assert list(columns(further)) == ["system", "kappa", "multiclass kappa"]


def test_seeds_are_joined_to_mean_and_deviation() -> None:
    # Mean of 0.80, 0.83, 0.86 is 0.83; squared deviations 0.0009, 0, 0.0009; / 2 = 0.0009; root 0.03.
    runs = [make_record("net", accuracy, seed) for seed, accuracy in enumerate((0.80, 0.83, 0.86))]
    runs[1]["compute"] = {**runs[1]["compute"], "latency_ms": 2.5}
    found = measured(*runs, make_record("one", 0.84))
    assert found["system"] == ["one", "net"]
    assert found["runs"] == [1, 3]
    joined = found["accuracy"][1]
    assert joined.value == pytest.approx(0.83)
    assert joined.spread == "± 0.0300 over 3 runs"
    assert found["latency (ms)"][1] == pytest.approx((1.9 + 2.5 + 1.9) / 3)
    assert "notes" not in found


def test_runs_of_two_recipes_or_the_same_weights_are_told() -> None:
    first, second, third = (make_record("net", 0.8, seed) for seed in (0, 1, 2))
    second["model"] = {**second["model"], "training": {**second["model"]["training"], "recipe_hash": "xyz"}}
    assert measured(first, second)["notes"] == ["its runs do not have one recipe"]
    third["model"] = {**third["model"], "sha256": first["model"]["sha256"]}
    same = first["model"]["sha256"][0][:8]
    assert measured(first, third)["notes"] == [f"the same weights count twice: {same}"]
    again = make_record("net", 0.8, 0)
    again["model"] = {**again["model"], "sha256": ["f" * 64]}
    assert measured(first, again)["notes"] == ["runs share a seed: 0"]


def test_a_metric_that_one_run_lacks_has_no_mean() -> None:
    found = measured(make_record("net", 0.8, 0), make_record("net", None, 1))
    assert found["accuracy"] == [None]


def test_epochs_chosen_on_the_test_part_stay_in_their_column() -> None:
    chosen = make_record("peeked", 0.95, epoch={"on_test": True})
    found = measured(chosen, make_record("fair", 0.7))
    assert found["system"] == ["fair", "peeked"]
    assert found["accuracy"] == [Figure(0.7, "0.6900..0.7100"), None]
    assert found[LABELLED] == [None, Figure(0.95, "0.9400..0.9600")]
    assert found["balanced accuracy (mean diagonal)"][1] is None
    alone = measured(chosen)
    assert alone["accuracy"] == [None]
    (group,) = groups([chosen, make_record("peeked", 0.7, 1)])
    assert [entry.label for entry in entries(group)] == ["peeked", f"peeked ({ON_TEST})"]


def test_unknown_epoch_is_said() -> None:
    found = measured(make_record(epoch={"on_test": None}))
    assert found["epoch"] == ["last of the schedule; not known whether the test part chose it"]
    unsaid = measured(make_record(epoch={"rule": None, "on_test": None}))
    assert unsaid["epoch"] == ["not said; not known whether the test part chose it"]


def test_missing_faces_have_columns() -> None:
    partial = make_record(
        "partial", 0.9, faces={"predicted": 150, "missing": 50}, metrics_all=figures(accuracy=0.675)
    )
    found = measured(partial, make_record("whole", 0.8))
    assert found["system"] == ["whole", "partial"]  # leaving hard faces out does not lead to the top
    assert found["answered"] == [200, 150]
    assert found["missing"] == [0, 50]
    assert [cell.value for cell in found["accuracy, all faces"]] == [0.8, 0.675]
    whole = measured(make_record())
    assert whole["missing"] == [0]
    assert "accuracy, all faces" not in whole


def test_other_faces_have_a_table_of_their_own() -> None:
    records = [make_record("a"), make_record("b", protocol={"hash": OTHER_HASH})]
    first, second = groups(records)
    assert (first.id, second.id) == ("ferplus_valid-1f3a9c02", "ferplus_valid-77aa00bb")
    assert first.warning is not None
    assert "also measured on other faces (hash 77aa00bb; here 1f3a9c02)" in first.warning
    assert board(second, ()).warnings == (second.warning,)
    assert [r["system"] for r in second.records] == ["b"]


def test_plain_splits_are_named_by_data_split_and_task() -> None:
    plain = {"name": None, "split": "test"}
    first, second = groups([make_record(protocol=plain), make_record(protocol={**plain, "task": "va"})])
    assert (first.name, first.id) == ("ferplus test, expression", "ferplus-test-expression-1f3a9c02")
    assert second.name == "ferplus test, va"
    assert first.warning is None


def test_no_record() -> None:
    with pytest.raises(AffectZooError, match="no record to show"):
        groups([])


def test_published_rows_stand_apart_in_the_papers_order() -> None:
    rows = [
        published_row("weak", {"accuracy": 0.1}, comparable=True, why_not="", epoch="valid"),
        published_row("strong", {"accuracy": 0.99}, epoch="test", normalised={"accuracy": 0.98}),
        published_row("elsewhere", {"accuracy": 0.5}, protocol="sfew"),
        published_row("nowhere", {"accuracy": 0.5}, protocol=None),
        published_row("beside", {"accuracy": 0.6}, protocol="ferplus", why_not="", also=("ferplus_valid",)),
    ]
    (group,) = groups([make_record("ours", 0.5)])
    told = board(group, rows)
    assert columns(told.measured)["system"] == ["ours"]
    found = columns(told.published)
    assert found["system"] == ["weak", "strong", "beside"]
    assert found["accuracy"] == [0.1, None, 0.6]
    assert found[LABELLED] == [None, 0.99, None]
    assert found["accuracy, skew-normalised"] == [None, 0.98, None]
    assert found["comparable"] == ["yes", "no: Private test part", "no: it belongs to ferplus"]
    assert found["epoch"] == ["best on the validation part", ON_TEST, "not said"]
    assert "notes" not in found
    note = "with the protocol; this copy differs, see above"
    (copy,) = groups([make_record(protocol={"note": "rendered faces"})])
    assert columns(board(copy, rows).published)["comparable"][0] == note
    (plain,) = groups([make_record(protocol={"name": None, "split": "valid"})])
    assert board(plain, rows).published is None


def test_published_figures_by_class_have_tables_of_their_own() -> None:
    row = published_row("theirs", {}, source="A", per_class={"recall": {"anger": 0.5, "neutral": 0.25}})
    (group,) = groups([make_record()])
    details = {table.name: columns(table) for table in board(group, [row]).details}
    assert details["published-recall"] == {"system": ["theirs (A)"], "anger": [0.5], "neutral": [0.25]}
    assert details["class-recall"]["system"] == ["softmax"]
    assert "published-normalised-recall" not in details


def test_claims_beside_what_was_measured() -> None:
    claimed = [
        {"data": "ferplus", "split": "valid", "faces": 3191, "accuracy": 0.8593, "recall": {"anger": 1.0}},
        {"data": "ferplus", "split": "test", "faces": 3137, "accuracy": 0.9},
        {"data": "rafdb", "split": "test", "faces": 3068, "accuracy": 0.7},
    ]
    (group,) = groups([make_record(accuracy=0.86, claimed=claimed)])
    found = columns(board(group, ()).claimed)
    assert found["split"] == ["valid", "test"]
    assert found["claimed"] == [0.8593, 0.9]
    assert found["measured"] == [0.86, None]
    assert found["difference"] == [pytest.approx(0.0007), None]
    assert found["faces claimed"] == [3191, 3137]
    assert found["faces measured"] == [200, None]


def test_warnings_say_deviations_notes_left_out_faces_and_probes() -> None:
    probes = [
        {"kind": "swap", "classes": ["fear", "surprise"], "accuracy": 0.41, "would_be": 0.8},
        {"kind": "order", "order": ["b", "a"], "accuracy": 0.41, "would_be": 0.9},
        {"kind": "values", "change": "negate arousal", "ccc": 0.1, "would_be": 0.5},
    ]
    equal = {"part": "test", "what": "faces", "published": [7], "found": 7, "equal": True}
    other = {"part": "all", "what": "clips", "published": [600, 1600], "found": 60, "equal": False}
    protocol = {"deviations": [equal, other], "note": "rendered faces"}
    record = make_record(protocol=protocol, faces={"left_out": {"no label": 1200}}, probes=probes)
    (group,) = groups([record, make_record("b", protocol=protocol)])
    order = "is the label order right?"
    assert board(group, ()).warnings == (
        "this copy: 60 clips in all; published: 600 or 1,600",
        "rendered faces",
        "1,200 faces are excluded: no label",
        f"softmax: swapping fear and surprise would raise accuracy from 0.4100 to 0.8000: {order}",
        f"softmax: reading its outputs as b, a would raise accuracy from 0.4100 to 0.9000: {order}",
        "softmax: to negate arousal would raise CCC from 0.1000 to 0.5000: "
        "is the order, sign and scale of its values right?",
    )


def test_notes_on_classes_and_training_faces() -> None:
    record = make_record(mapping={"anger": "anger", "happiness": "joy", "neutral": None})
    record["model"] = {**record["model"], "training": {**record["model"]["training"], "on_protocol": False}}
    assert measured(record)["notes"] == [
        "trained on other faces than the protocol's training part; answers happiness by its joy, no neutral"
    ]


def test_notes_on_what_classifiers_were_fitted_on() -> None:
    fit = {"faces": 90, "without_features": 0, "dimensions": 12, "pca": None}
    assert "notes" not in measured(make_record(fit=[fit]))
    fits = [{**fit, "without_features": 1200}, {**fit, "without_features": 34, "pca": 0.95}]
    assert measured(make_record(fit=fits))["notes"] == [
        "fitted without 1,234 training faces, which have no features; "
        "features reduced by PCA to 12 that keep 95% of their variance"
    ]


def test_systems_of_other_kinds() -> None:
    classical = make_record("hog", 0.3, kind="classical", model=None)
    features = make_record("deep", 0.2, kind="features")
    external = make_record("theirs", 0.1, kind="external", model=None, compute=None)
    found = measured(classical, features, external)
    assert found["trained on"] == ["ferplus", "ferplus; classifier: ferplus", None]
    assert found["latency (ms)"] == [1.9, 1.9, None]


def test_tables_by_class_and_skew_normalised() -> None:
    (group,) = groups([make_record()])
    details = {table.name: columns(table) for table in board(group, ()).details}
    assert {"class-recall", "class-precision", "class-auc", "class-support"} <= set(details)
    assert "class-f1" not in details  # nothing but null
    assert details["class-recall"]["happiness"] == [Figure(0.6)]
    assert details["class-support"] == {
        "system": ["softmax"],
        "anger": [60],
        "happiness": [61],
        "neutral": [62],
    }
    assert details["normalised"]["accuracy"] == [Figure(0.65, "± 0.0125")]


def test_table_by_fold_and_values() -> None:
    (group,) = groups([make_value_record("net", [0.5, 0.7])])
    told = board(group, ())
    found = columns(told.measured)
    assert found["CCC"] == [Figure(0.6, "± 0.0200")]
    assert found["RMSE valence"] == [Figure(0.25, "± 0.0100")]
    (folds,) = (table for table in told.details if table.name == "folds")
    assert folds.caption == "CCC by fold"
    assert columns(folds) == {"system": ["net"], "fold 0": [0.5], "fold 1": [0.7]}


def test_cross_table() -> None:
    sfew = {"name": "sfew", "data": {"train": "sfew", "test": "sfew"}, "hash": "5f" + 62 * "0"}
    records = [
        make_record("net", 0.86),
        make_record("net", 0.4, protocol=sfew),
        make_record("hog", 0.5, kind="classical", model=None),
        make_record("hog", 0.3, kind="classical", model=None, protocol=sfew),
    ]
    cells = {
        title_: [None if cell is None else text(cell) for cell in found]
        for title_, found in columns(page(records).cross).items()
    }
    assert cells == {
        "system": ["net", "hog", "hog"],
        "trained on": ["ferplus", "ferplus", "sfew"],
        "ferplus_valid: accuracy": ["0.8600", "0.5000", None],
        "sfew: accuracy": ["0.4000", None, "0.3000"],
    }
    assert page(records[:1]).cross is None


def test_columns_across_faces_have_short_names() -> None:
    rendered = make_value_record("net", [0.5], key="drawn")
    rendered["protocol"]["note"] = "rendered faces, no people, in a layout that takes many words"
    other = make_record("net", 0.4, protocol={"hash": OTHER_HASH})
    told = page([rendered, make_record("net", 0.86), other], (), [COMPARISON])
    assert list(columns(told.cross))[2:] == [
        f"ferplus_valid ({HASH[:8]}): accuracy",
        f"ferplus_valid ({OTHER_HASH[:8]}): accuracy",
        "afewva_5fold (rendered): CCC",
    ]
    assert columns(told.comparisons)["on"] == [f"ferplus_valid ({HASH[:8]})"]


COMPARISON = {
    "group": f"ferplus_valid-{HASH[:8]}",
    "first": "a",
    "second": "b",
    "metric": "accuracy",
    "difference": 0.02,
    "low": -0.01,
    "high": 0.05,
    "p_exact": None,
    "faces": 3191,
    "verdict": "may be chance",
}


def test_comparisons_and_hardware() -> None:
    slow = make_record("b", hardware={"cpu": "another"})
    told = page([make_record("a"), make_record("c"), slow], (), [COMPARISON, {**COMPARISON, "p_exact": 0.03}])
    found = columns(told.comparisons)
    assert found["difference"][0] == Figure(0.02, "-0.0100..0.0500")
    assert found["p"] == [None, 0.03]
    machines = columns(told.hardware)
    assert machines["cpu"] == ["some processor", "another"]
    assert machines["records"] == [2, 1]
    assert machines["seconds"] == [pytest.approx(24.6), 12.3]


def test_cells_for_people() -> None:
    assert [text(cell) for cell in (None, math.nan, Figure(math.nan, "x"), "", 0.5, 1200, "a")] == [
        *("-", "-", "-", "-"),
        "0.5000",
        "1,200",
        "a",
    ]
    assert text(1.94999, 2) == "1.95"
    assert [text(value) for value in (1e-6, 0.00006, 0.0)] == ["<0.0001", "0.0001", "0.0000"]
    assert [number(cell) for cell in (None, math.nan, "0.5", Figure(0.5), 3)] == [None, None, None, 0.5, 3.0]
    assert title("own_scale_rmse_valence") == "own scale RMSE valence"
    assert title("auc_pr") == "AUC PR"


def markdown_tables(content: str) -> list[list[list[str]]]:
    blocks = re.findall(r"(?:^\|.*\n)+", content, re.MULTILINE)
    return [[re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()] for block in blocks]


def everything() -> Leaderboard:
    records = [
        make_record("net", 0.8, 0, claimed=[{"data": "ferplus", "split": "valid", "accuracy": 0.81}]),
        make_record("net", 0.9, 1),
        make_record("a|b *c* <script>alert(1)</script>", None, faces={"predicted": 150, "missing": 50}),
        make_value_record("net", [0.5, 0.7]),
    ]
    return page(records, [published_row("theirs", {"accuracy": 0.7})], [COMPARISON])


def test_markdown() -> None:
    content = markdown(everything(), {f"ferplus_valid-{HASH[:8]}": [("Recall", "plots/recall.png")]})
    tables = markdown_tables(content)
    assert len(tables) == content.count("\n| ---")
    for table in tables:
        assert len({len(line) for line in table}) == 1
        assert len(table) > 2
        assert {cell.strip() for cell in table[1]} <= {"---", "---:"}
    first = [[cell.strip() for cell in line] for line in tables[0]]
    assert first[0][:2] == ["system", "accuracy"]
    assert first[1][:2] == ["---", "---:"]
    assert first[2][:2] == ["net", "0.8500 (± 0.0707 over 2 runs)"]
    assert first[3][:2] == [r"a\|b \*c\* \<script\>alert(1)\</script\>", "-"]
    assert "![Recall](plots/recall.png)" in content
    assert "```shell\naffectzoo benchmark --models net=runs/net_1 --out DIR\n```" in content
    assert "- **accuracy**: share of faces whose class is right" in content
    assert "Made on 2026-01-31 with affectzoo 0.3.0." in content


def test_html_is_well_formed_and_alone() -> None:
    told, plots = everything(), {f"ferplus_valid-{HASH[:8]}": [('Recall "by" class', "plots/recall.png")]}
    content = html(told, plots)
    found = Page(content)
    assert found.attributes("src") == ["plots/recall.png"] and found.attributes("loading") == ["lazy"]
    details = [f"details/{board.group.id}.html" for board in told.boards]
    links = {link for link in found.attributes("href") if not link.startswith("#")}
    assert links == {"https://arxiv.org/abs/1608.01041", *details}
    check_page(content)
    assert found.attributes("alt") == ['Recall "by" class; the figures are in the tables']
    for board_ in told.boards:
        check_page(html(told, plots, board_))


def check_page(content: str) -> None:
    """Links lead somewhere, tables have captions and headings, nothing is loaded from elsewhere."""
    found = Page(content)
    links = found.attributes("href")
    ids = found.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert set(found.attributes("aria-labelledby")) <= set(ids)
    assert not {tag for tag, _ in found.tags} & {"link", "iframe", "object", "base"}
    assert re.search(r"url\(|@import|@font-face|fetch\(", content) is None
    tables = sum(tag == "table" for tag, _ in found.tags)
    assert (
        tables
        == content.count("<caption ")
        == content.count('<div class="scroll"') - content.count("<figure>")
    )
    assert {a.get("scope") for tag, a in found.tags if tag == "th"} == {"col", "row"}


def test_details_have_confusion_matrices_shaded_by_share() -> None:
    told = page(
        [make_record(confusion=[[30, 20, 10], [5, 55, 0], [0, 0, 0]]), make_value_record("net", [0.5])]
    )
    content = html(told, {}, told.boards[0])
    rows = Page(content).tables["Confusion matrix of softmax, in % of each true class"]
    assert rows == [
        ["true class (faces)", "anger", "happiness", "neutral"],
        ["anger (60)", "50.0", "33.3", "16.7"],
        ["happiness (60)", "8.3", "91.7", "0.0"],
        ["neutral (0)", "-", "-", "-"],
    ]
    assert '<td style="--share: 92">91.7</td>' in content
    assert '<td data-value="0.5" style="--share: 50">0.5000</td>' in content  # recalls have shades, too
    assert f'href="../leaderboard.html#{told.boards[0].group.id}"' in content
    assert "Confusion" not in html(told, {}, told.boards[1]) and "Confusion matrix of softmax" in markdown(
        told, {}
    )


def test_rendered_faces_come_last_and_are_folded() -> None:
    rendered = make_value_record("net", [0.5, 0.6])
    rendered["protocol"]["note"] = "rendered faces"
    told = page([rendered, make_record()])
    assert [board.group.rendered for board in told.boards] == [False, True]
    assert "<details>\n<summary>1 set of rendered faces</summary>" in html(told, {})
    assert "<details open>\n<summary>1 set of rendered faces</summary>" in html(page([rendered]), {})
    assert "rendered faces</summary>" not in html(page([make_record()]), {})


def test_names_break_between_their_parts() -> None:
    content = html(page([make_record("mobilenet_v1.ferplus+svm")]), {})
    assert '<th scope="row">mobilenet_<wbr>v1.<wbr>ferplus+<wbr>svm</th>' in content


def test_long_texts_are_folded_in_their_cells() -> None:
    content = html(page([make_record(remarks=["one remark", "and another that makes it long"])]), {})
    folded = '<details class="long"><summary>one remark; and another that makes it long</summary></details>'
    assert folded in content
    assert '<td class="words">one remark</td>' in html(page([make_record(remarks=["one remark"])]), {})


def test_html_escapes_names() -> None:
    content = html(everything(), {})
    assert "<script>alert" not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert content.count("<script") == 1


def test_html_tables() -> None:
    found = Page(html(everything(), {})).tables
    heading, best, unknown = found["Measured here"]
    assert heading[:2] == ["system", "accuracy"]
    assert best[:2] == ["net", "0.8500 ± 0.0707 over 2 runs"]
    assert unknown[:2] == ["a|b *c* <script>alert(1)</script>", "-"]
    assert found["Published, as the papers say"][1][0] == "theirs"


def test_pictures_that_fit_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown group of plots 'ferplus_valid'"):
        html(everything(), {"ferplus_valid": []})
    with pytest.raises(AffectZooError, match=r"there is no image .*none\.png"):
        write_leaderboard(tmp_path, [make_record()], [], [], {"group": [("Recall", tmp_path / "none.png")]})


def test_files_are_written_whole(tmp_path: Path) -> None:
    out, group = tmp_path / "out", f"ferplus_valid-{HASH[:8]}"
    path = out / "plots" / "re call.png"
    write_picture(path, picture(np.random.default_rng(0), 8, 8, 3))
    made = write_leaderboard(out, [make_record()], [], [], {group: [("Recall", path)]})
    assert made == (out / "leaderboard.md", out / "leaderboard.html")
    assert "![Recall](plots/re%20call.png)" in made[0].read_text(encoding="utf-8")
    before = made[1].read_bytes()
    assert sorted(p.name for p in out.iterdir()) == ["details", "leaderboard.html", "leaderboard.md", "plots"]
    assert [p.name for p in (out / "details").iterdir()] == [f"{group}.html"]
    other = make_record(protocol={"hash": OTHER_HASH})
    write_leaderboard(tmp_path / "other", [other], [], [], {})
    own = tmp_path / "other" / "details" / "notes.html"
    own.write_text("mine", encoding="utf-8")
    write_leaderboard(tmp_path / "other", [make_record()], [], [], {})
    assert {p.name for p in own.parent.iterdir()} == {f"{group}.html", own.name}  # others' files stay
    path.unlink()
    with pytest.raises(AffectZooError, match="there is no image"):
        write_leaderboard(out, [make_record("other")], [], [], {group: [("Recall", path)]})
    assert made[1].read_bytes() == before


def test_figures_of_other_kinds_have_a_table() -> None:
    (group,) = groups([make_record(protocol={"name": "rafdb_basic"})])
    table = next(table for table in board(group, facts()).details if table.name == "other")
    shown = {row[0]: row[2] for row in table.rows if "333.18" in str(row[2]) or "475.47" in str(row[2])}
    assert len(shown) == 2  # Li and Deng's times of a training step
    assert not any(table.name == "other" for table in board(groups([make_record()])[0], facts()).details)


HOSTILE = "[/b] \x1b[31m| <script>alert(1)</script> `x` ```"


def test_names_and_commands_are_shown_as_text() -> None:
    command = "affectzoo benchmark\n```\n# Heading\n<img src=x onerror=alert(1)>"
    record = make_record(HOSTILE, key="x", protocol={"note": HOSTILE}, command=command, remarks=[HOSTILE])
    record |= {"labels": [HOSTILE, "b", "c"]}
    record["per_class"] = dict(zip(record["labels"], record["per_class"].values(), strict=True))
    made = leaderboard([record, make_record()], (), (), "2026-01-01")
    pages = [html(made, {}, only) for only in (None, *made.boards)]
    shown, page = markdown(made, {}), "".join(pages)
    for text_ in (shown, page):
        assert "\x1b" not in text_
    outside = re.sub(r"^(`{4,})shell\n.*?^\1$", "", shown, flags=re.M | re.S)
    assert "# Heading" not in outside.splitlines() and "# Heading" in shown
    assert "<script>alert" not in outside and "<script>alert" not in page and "<img src=x" not in page
    widths = {
        line.count(" | ") for line in outside.splitlines() if line.startswith("| ") and "softmax" in line
    }
    assert widths | {len(record["labels"])} == {  # and a row of the confusion matrix
        line.count(" | ") for line in outside.splitlines() if "\\[/b\\]" in line and line[0] == "|"
    }
    for one in pages:
        Page(one)
