"""Model cards: what they say, where it comes from, and that those of the repository are up to date."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.described import described
from fakes.hub import LICENSES as HUB_LICENSES
from fakes.hub import card_problems
from fakes.records import figures, make_record, make_value_record
from huggingface_hub import ModelCard

from affectzoo import store
from affectzoo.datasets.folder import read_folder
from affectzoo.errors import AffectZooError, WeightsError
from affectzoo.evaluation.evaluate import evaluate
from affectzoo.faces.preprocess import Preprocess
from affectzoo.hub.cards.__main__ import main
from affectzoo.hub.cards.card import render
from affectzoo.hub.cards.citations import citations, papers
from affectzoo.hub.cards.facts import CardFacts
from affectzoo.hub.cards.files import FOLDER, cards, write
from affectzoo.hub.cards.metadata import LICENSES, eval_results, hub_license
from affectzoo.hub.cards.prose import read_prose
from affectzoo.hub.cards.results import results_of
from affectzoo.inference.demo import RENDERED
from affectzoo.leaderboard.groups import ON_TEST
from affectzoo.registry import ARCHITECTURES, DATASETS
from affectzoo.weights import WeightsMeta
from affectzoo.zoo.loading import load

ABSOLUTE = re.compile(r"(?<![\w.~<:/])/[\w.-]+/[\w.-]+|~/|[A-Za-z]:\\")
TERMS = {"weights": "MIT", "code": "Apache-2.0", "images": "on request", "labels": "MIT"}
SUM = "ab" * 32
VALUES = {"ccc": 0.5123, "ccc_valence": 0.6, "ccc_arousal": 0.4, "rmse_valence": 0.3, "rmse_arousal": 0.2}
OWN_SCALE = {"own_scale_rmse_valence": 3.0}
CLASSES = {"accuracy": 0.61234, "mean_diagonal": 0.5, "f1": 0.55}


def make_meta(**changes: Any) -> WeightsMeta:
    fields: dict[str, Any] = {
        "arch": "dlp_cnn_s",
        "labels": ("anger", "happiness", "neutral"),
        "preprocess": Preprocess(48, resize=52, color="gray", mean=(0.5,), std=(0.25,), margin=0.2),
        "license": TERMS,
    }
    facts = {"data": "ferplus", "epoch_rule": "last epoch of the schedule", "seed": 3, "epochs": 8}
    facts = changes.pop("training", facts)
    return described(WeightsMeta(**{**fields, **changes}), **facts)


def make_facts(**changes: Any) -> CardFacts:
    fields = {"name": "dlp_cnn_s.x", "repo": None, "sha256": {"model.safetensors": SUM}}
    return CardFacts(**{**fields, "parameters": 1_234_567, "size": 2**21, **changes})


def value_meta(**changes: Any) -> WeightsMeta:
    training = {"data": "afewva", "epoch_rule": "highest valid/ccc of 9 epochs", "fold": 1, "folds": 5}
    return make_meta(**{"task": "va", "labels": (), "training": training, **changes})


def clip_meta() -> WeightsMeta:
    training = {
        "data": "afewva",
        "sequence": True,
        "window": 40,
        "eval_window": 50,
        "recipe": "recipes/cnn_gru/afewva.yaml",
    }
    return value_meta(arch="cnn_gru", arguments={"landmarks": True, "units": 128}, training=training)


def values(**changes: Any) -> dict[str, Any]:
    """A record of a model as it is: valence and arousal of one split."""
    measured = {name: {"value": value} for name, value in {**VALUES, **OWN_SCALE}.items()}
    return make_value_record("frames", [VALUES["ccc"]], metrics=measured, **changes)


def cases() -> dict[str, tuple[WeightsMeta, CardFacts]]:
    on_test = make_record(epoch={"rule": "highest valid/accuracy", "on_test": True})
    shown = make_record(protocol={"note": "rendered faces", "hash": "ff" * 32}, key="other-key")
    folds = make_value_record("frames", [0.5, 0.7, 0.6])
    per_clip = {"clips": 150, "metrics": {"ccc": {"value": 0.4567}}}
    both = make_record(protocol={"task": "multitask"}, metrics=figures(**CLASSES, **VALUES))
    return {
        "expression": (make_meta(), make_facts(records=[shown, make_record()])),
        "epoch of the test part": (make_meta(), make_facts(records=[on_test])),
        "nothing measured": (make_meta(license={}), make_facts(repo="someone/model")),
        "folds": (value_meta(), make_facts(records=[folds])),
        "values": (value_meta(), make_facts(records=[values()])),
        "multitask": (make_meta(task="multitask"), make_facts(records=[both])),
        "clips": (clip_meta(), make_facts(records=[values(clips=per_clip)])),
    }


@pytest.mark.parametrize("case", cases())
def test_metadata_are_the_hubs_and_hold_the_results(case: str) -> None:
    meta, facts = cases()[case]
    text = render(meta, facts)
    assert card_problems(text) == []
    data = ModelCard(text).data
    wanted = [one for r in results_of(facts.records, "DIR") for one in eval_results(r)]
    assert (data.eval_results or []) == wanted
    assert bool(wanted) == (case != "nothing measured")
    assert data.library_name == "affectzoo"
    assert data.pipeline_tag == ("image-classification" if meta.labels else None)
    assert data.datasets == [meta.training.data]
    assert set(data.metrics or []) == {one.metric_type for one in wanted}
    assert not any("own_scale" in one.metric_type for one in wanted)


def numbers(value: Any) -> set[str]:
    """All fractions in it, as cards show them."""
    if isinstance(value, Mapping):
        return set().union(*map(numbers, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(numbers, value))
    return {f"{value:.4f}"} if isinstance(value, float) else set()


@pytest.mark.parametrize("case", cases())
def test_figures_are_the_records(case: str) -> None:
    meta, facts = cases()[case]
    body = render(meta, facts).split("\n---\n", 1)[1]
    shown = set(re.findall(r"\b\d+\.\d{4}\b", body))
    assert shown <= numbers(facts.records)
    assert shown >= numbers([record["metrics"] for record in facts.records])


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def test_what_it_is_and_how_it_was_trained() -> None:
    meta = make_meta(arguments={"dropout": 0.5})
    text = render(meta, make_facts(versions={"affectzoo": "0.1.0", "torch": "2.15.0"}))
    for row in (
        "| parameters | 1,234,567 |",
        "| size | 2,097,152 bytes (2.0 MiB) |",
        "| its arguments | dropout: 0.5 |",
        f"| sha256 of model.safetensors | {SUM} |",
        "| written with | affectzoo: 0.1.0; torch: 2.15.0 |",
    ):
        assert row in text
    assert "in the order of the scores: anger, happiness, neutral." in section(text, "Outputs")
    training = section(text, "Training")
    assert "| seed | 3 |" in training
    assert "| recipe | not stated |" in training
    assert "| a measured part chose the epoch | no |" in training
    assert "longer edge, made 20% larger." in text
    assert "Scale it to 52 x 52 pixels, then cut out the central 48 x 48." in text
    assert "subtract the mean (0.5) and divide by the standard deviation (0.25)" in text
    assert "Convert it to gray" in text


def test_marks_stand_bold_and_in_the_metadata() -> None:
    text = render(*cases()["expression"])
    names = [one.dataset_name for one in ModelCard(text).data.eval_results]
    title = "FER+, on the public test part"
    assert list(dict.fromkeys(names)) == [title, f"{title} (rendered faces)"]  # what has a note comes last
    assert text.count("> **rendered faces**") == 1
    text = render(*cases()["epoch of the test part"])
    assert f"> **{ON_TEST}**" in text
    assert f"({ON_TEST})" in ModelCard(text).data.eval_results[0].dataset_name
    assert "| a measured part chose the epoch | yes: figures on those faces are too high |" in text


def test_faces_without_an_answer_count_both_ways() -> None:
    record = make_record(faces={"predicted": 180, "missing": 20}, metrics_all={"accuracy": {"value": 0.7741}})
    text = render(make_meta(), make_facts(records=[record]))
    assert "- Faces without an answer: 20 of 200" in text
    assert re.search(r"\| accuracy \| 0\.8600 \(0\.8500\.\.0\.8700\) \| 0\.7741 \|", text)
    (result,) = ModelCard(text).data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.7741)


def test_deviations_probes_and_skew_are_told() -> None:
    deviation = {"part": "test", "what": "faces", "published": [300], "found": 200, "equal": False}
    probe = {"kind": "swap", "classes": ["anger", "neutral"], "accuracy": 0.86, "would_be": 0.95}
    record = make_record(protocol={"deviations": [deviation]}, probes=[probe])
    text = render(make_meta(), make_facts(records=[record]))
    assert "> this copy: 200 faces in the test part; published: 300" in text
    assert "swapping anger and neutral would raise accuracy from 0.8600 to 0.9500" in text
    assert "| accuracy | 0.8600 (0.8500..0.8700) | 0.6500 (± 0.0125) |" in text
    assert "| happiness | 61 | 0.6000 | 0.6000 | 0.9000 |" in text
    assert f"- Hash of the faces: {record['protocol']['hash']}" in text
    assert "- Intervals: 95%, bootstrap of 1,000 resamples over subjects" in text


def test_folds_have_mean_and_deviation() -> None:
    text = render(*cases()["folds"])
    assert "> Means over the models of 3 folds; this is one of them\n" in text
    assert "| CCC | 0.6000 (± 0.0200) |" in text
    assert all(f"| {i} | 40 | {v:.4f} |" in text for i, v in enumerate([0.5, 0.7, 0.6]))
    assert "| fold excluded of training, counted from 0 | 1 of 5 |" in text


def test_groups_of_people_are_shown_where_they_were_measured() -> None:
    assert "how much was not measured" in render(make_meta(), make_facts(records=[make_record()]))
    record = make_record() | {"per_group": {"20 to 39": {"faces": 120, "accuracy": 0.8111}}}
    text = render(make_meta(), make_facts(records=[record]))
    assert "| 20 to 39 | 120 | 0.8111 |" in text
    assert "how much was not measured" not in text


def test_figures_without_a_record_are_not_shown() -> None:
    told = {"data": "ferplus", "split": "test", "faces": 1234, "accuracy": 0.6543}
    text = render(make_meta(metrics=(told,)), make_facts(records=[make_record()]))
    assert "0.6543" not in text


@pytest.mark.parametrize(
    ("rule", "on_test", "told"),
    [
        ("last epoch of the schedule", False, "no"),
        ("highest valid/accuracy of 8 epochs", True, "yes"),
        ("highest valid/accuracy of 8 epochs", None, "not known"),
        (None, None, "not known"),
    ],
)
def test_a_card_says_one_thing_of_what_chose_the_epoch(
    rule: str | None, on_test: bool | None, told: str
) -> None:
    training = {"data": "ferplus"} | ({} if rule is None else {"epoch_rule": rule})
    record = make_record(epoch={"rule": rule, "on_test": on_test})
    text = render(make_meta(training=training), make_facts(records=[record]))
    assert f"- These faces chose the epoch: {told}\n" in text
    assert (f"**{ON_TEST}**" in text) == (told == "yes")
    assert f"| a measured part chose the epoch | {told}" in text


def test_values() -> None:
    text = render(*cases()["values"])
    assert "valence, arousal, on a scale from -1 to 1" in section(text, "Outputs")
    assert "Classes" not in section(text, "Outputs")
    assert "| own scale RMSE valence | 3.0000 |" in text
    assert {one.task_type for one in ModelCard(text).data.eval_results} == {"other"}
    text = render(make_meta(task="arousal", labels=()), make_facts())
    assert "One value, arousal, on a scale from -1 to 1." in text
    text = render(*cases()["multitask"])
    assert "Classes" in section(text, "Outputs") and "valence, arousal" in section(text, "Outputs")
    assert {one.task_type for one in ModelCard(text).data.eval_results} == {"image-classification", "other"}


def test_models_of_clips() -> None:
    text = render(*cases()["clips"])
    assert "and 68 landmarks (iBUG order); clips, in windows of 40 frames |" in text
    assert re.search(r"\| CCC \| 0\.5123 \|.* 0\.4567 \|", text)
    assert "- Clips: 150" in text
    load = section(text, "Load")
    assert "affectzoo predict film.mp4 --model DIR\n" in load
    assert "It takes videos, no single images." in load
    assert "Its landmarks are found by `landmarks_s.rendered`" in load
    assert "4 frames" in load


def test_weights_to_start_from_are_not_to_predict_with() -> None:
    training = {
        "data": "VGG-Face, 2,622 identities",
        "fresh": ["heads.expression"],
        "converted_from": "f.mat",
    }
    text = render(make_meta(arch="vggface", training=training), make_facts())
    assert "to start a training from, not to predict with: heads.expression" in text
    assert "affectzoo predict" not in text
    assert "| converted from | f.mat |" in text
    assert "| data | VGG-Face, 2,622 identities |" in text
    assert ModelCard(text).data.datasets is None


@pytest.mark.parametrize(
    ("name", "repo", "reference", "tag"),
    [
        ("dlp_cnn_s.ferplus", None, "dlp_cnn_s.ferplus", "ferplus"),
        ("dlp_cnn_s.ferplus", "lab/net", "dlp_cnn_s.ferplus", "ferplus"),
        ("net", "lab/net", "hf-hub:lab/net", "hf-hub:lab/net"),
        ("net", None, "DIR", "DIR"),
    ],
)
def test_ways_to_load(name: str, repo: str | None, reference: str, tag: str) -> None:
    text = section(render(make_meta(), make_facts(name=name, repo=repo)), "Load")
    assert f'affectzoo.load("{reference}")' in text
    assert f'torch.hub.load("OWNER/affectzoo", "dlp_cnn_s", weights="{tag}")' in text
    assert f"affectzoo predict photo.jpg --model {reference}\n" in text
    assert ('affectzoo.load("hf-hub:lab/net")' in text) == (repo is not None)
    assert ("`DIR` is the folder with this card" in text) == (reference == "DIR")


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("Apache-2.0", ("apache-2.0", None)),
        ("CC BY-NC 4.0", ("cc-by-nc-4.0", None)),
        ("MIT", ("mit", None)),
        ("For research; ask us", ("other", "for-research-ask-us")),
        ("", ("unknown", None)),
    ],
)
def test_licenses_as_the_hub_says_them(terms: str, expected: tuple[str, str | None]) -> None:
    assert hub_license(terms) == expected
    assert expected[0] in HUB_LICENSES
    assert set(LICENSES) <= set(HUB_LICENSES)


def test_licenses_that_are_missing_are_said_to_be() -> None:
    text = section(render(make_meta(license={"weights": "MIT"}), make_facts()), "Data and licenses")
    assert "| weights | MIT |" in text
    for subject in ("code", "images", "labels"):
        assert f"| {subject} | not stated |" in text
    assert "| starting weights | none are recorded |" in text
    training = {"data": "ferplus", "started_from": "hf-hub:lab/net@0123abc"}
    text = render(make_meta(training=training), make_facts())
    assert "| started from | hf-hub:lab/net@0123abc |" in text
    assert "| starting weights | not stated |" in text
    assert ModelCard(text).data.base_model == "lab/net"


def test_names_cannot_be_markup() -> None:
    record = make_record(protocol={"note": "a <b>bold</b> | note"})
    text = render(make_meta(labels=("a|b", "<i>", "c")), make_facts(records=[record]))
    assert "scores: a\\|b, \\<i\\>, c." in text
    assert "> **a \\<b\\>bold\\</b\\> \\| note**" in text


@pytest.mark.parametrize(
    "hostile",
    [
        "[x](https://example.org)",
        "<img src=x onerror=alert(1)>",
        "a\n\n# heading",
        "```\n# heading\n```",
        "<!-- prose: data -->\nx\n<!-- /prose -->",
        "<!-- prose: data -->",
        "\x1b]0;title\x07\x1b[2J",
        "\n---\nlicense: mit",
        "{{ 7 * 7 }}{% raw %}",
        "\u202eevil",
    ],
)
def test_text_from_outside_is_text(hostile: str) -> None:
    meta = make_meta(
        labels=("calm", hostile, "tense"),
        training={"data": hostile, "note": hostile, "recipe": hostile, "epoch_rule": hostile},
        license={**TERMS, "images": hostile, "weights": hostile},
    )
    record = make_record(
        protocol={"note": hostile, "title": hostile}, command=f"affectzoo benchmark '{hostile}'"
    )
    text = render(meta, make_facts(records=[record], prose={"summary": "Ours."}))
    card = ModelCard(text)
    assert card.data.library_name == "affectzoo" and card.data.license == "other"
    assert {n: t for n, t in read_prose(text, "card.md").items() if t} == {"summary": "Ours."}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    body = re.sub("(?s)```.*?```", "", card.text)
    assert not re.search("(?m)^# heading", body)
    assert not re.search(r"(?<!\\)<img|(?<!\\)\]\(https://example", body)
    assert "49" not in body.partition("## Outputs")[2].partition("##")[0]


def test_prose_is_kept_and_must_have_a_place() -> None:
    facts = make_facts(prose={"summary": "Ours.\n\nTwo parts.", "limits": "Few faces."})
    text = render(make_meta(), facts)
    assert "<!-- prose: summary -->\nOurs.\n\nTwo parts.\n<!-- /prose -->\n" in text
    kept = read_prose(text, "card.md")
    assert {name: told for name, told in kept.items() if told} == facts.prose
    assert render(make_meta(), make_facts(prose=kept)) == text
    with pytest.raises(AffectZooError, match=r"no section for the prose sumary; sections are data, limits"):
        render(make_meta(), make_facts(prose={"sumary": "x"}))


@pytest.mark.parametrize(
    "text",
    [
        "<!-- prose: a -->\nx\n",
        "x\n<!-- /prose -->\n",
        "<!-- prose: a -->\nx\n<!-- prose: b -->\ny\n<!-- /prose -->\n",
        "<!-- prose: a -->\nx\n<!-- /prose -->\n" * 2,
        "<!-- prose: a --> x\n<!-- /prose -->\n",
    ],
)
def test_markers_of_prose_must_pair(text: str) -> None:
    with pytest.raises(AffectZooError, match=r"card\.md: its markers of prose do not pair"):
        read_prose(text, "card.md")


# The repository's own


def test_the_repositorys_cards_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_each_weights_entry_has_a_card_that_says_its_figures() -> None:
    for name, entry in store.entries().items():
        card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        assert entry.sha256 in card
        records = [json.loads(p.read_text()) for p in (FOLDER / "records" / name).glob("*.json")]
        measured = {(r["protocol"]["data"]["test"], len(r.get("per_class", ()))) for r in records}
        for metric in entry.meta.metrics:
            if (metric["data"], len(metric.get("recall", ()))) in measured:
                continue  # a record says it better
            assert f"| accuracy | {metric['accuracy']:.4f} |" in card
            for class_, recall in metric["recall"].items():
                assert f"| {class_} | {metric['support'][class_]:,} | {recall:.4f} |" in card
        for record in records:
            titles = {"accuracy": "accuracy", "nme": "NME", "ccc": "CCC"}
            titles |= {f"ccc_{one}": f"CCC {one}" for one in ("valence", "arousal")}
            main_metric = next(one for one in titles if one in record["metrics"])
            assert f"| {titles[main_metric]} | {record['metrics'][main_metric]['value']:.4f} (" in card


def test_the_figure_on_rendered_faces_is_the_demos() -> None:
    name = "dlp_cnn_s.ferplus"
    files = (FOLDER / "records" / name).glob("folder_test_split-*.json")
    (record,) = (json.loads(path.read_text(encoding="utf-8")) for path in files)
    found = evaluate(load(name), read_folder(RENDERED))
    for metric in ("accuracy", "mean_diagonal", "f1"):
        assert found["metrics"][metric] == pytest.approx(record["metrics"][metric], abs=1e-4)
    card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert f"| accuracy | {found['metrics']['accuracy']['value']:.4f} (" in section(
        card, "folder, test split"
    )
    assert "> **rendered faces" in section(card, "folder, test split")


def test_architectures_without_weights_say_so() -> None:
    trained = {entry.meta.arch for entry in store.entries().values()}
    for name in set(ARCHITECTURES) - trained:
        text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        data = yaml.safe_load(text.split("---\n")[1])
        assert "model-index" not in data and card_problems(text) == []
        assert "An architecture **without trained weights**" in text
        assert "| weights | none |" in text
        assert "## Results" not in text and not re.search(r"\b0\.\d{3,}\b", text)
        for recipe in (FOLDER.parent / "recipes" / name).glob("*.yaml"):
            assert f"recipes/{name}/{recipe.name}" in text
        assert f"affectzoo fit --config recipes/{ARCHITECTURES[name].recipe} --data.root DIR" in text
        assert f'affectzoo.create_model("{name}", labels=' in text


def test_nothing_names_a_place_on_a_machine() -> None:
    files = [*FOLDER.rglob("*.md"), *FOLDER.rglob("*.json")]
    assert len(files) > len(ARCHITECTURES)
    for path in files:
        assert ABSOLUTE.findall(path.read_text(encoding="utf-8")) == [], path.name
    assert ABSOLUTE.findall("see /tmp/x, ~/y and C:\\z") == ["/tmp/x", "~/", "C:\\"]


def test_every_paper_has_a_citation() -> None:
    assert all(citations(name, ()) for name in ARCHITECTURES)
    known = papers()
    own = {name for name, entry in DATASETS.items() if entry.access == "yours"}
    assert set(known["data"]) == set(DATASETS) - own
    sources = [entry.source for entry in ARCHITECTURES.values()]
    assert all(any(source.startswith(start) for source in sources) for start in known["sources"])
    cited = citations("dlp_cnn_s", ("ferplus", "folder", "unknown", "ferplus", "fer2013"))
    assert [paper.split(" ")[0] for paper in cited] == ["Shan", "Emad", "Ian"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout's cards and recipes."""
    shutil.copytree(FOLDER.parent / "recipes", tmp_path / "recipes")
    return Path(shutil.copytree(FOLDER, tmp_path / "model_cards"))


def test_a_stale_card_says_what_to_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card, lost, orphan = (folder / f"{n}.md" for n in ("dlp_cnn_s.ferplus", "resnet50", "no_such.model"))
    before = card.read_text(encoding="utf-8")
    card.write_text(before.replace("0.3375", "0.9375"), encoding="utf-8")
    lost.unlink()
    orphan.write_text("# of nothing\n", encoding="utf-8")
    check = ["--folder", str(folder), "--check"]
    assert main(check) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: stale; run: python -m affectzoo.hub.cards" for path in (card, lost, orphan)
    ]
    assert orphan.is_file() and not lost.is_file()
    assert main(check[:-1]) == 0
    assert card.read_text(encoding="utf-8") == before and lost.is_file() and not orphan.exists()
    assert main(check) == 0


def test_prose_survives_and_other_text_does_not(folder: Path) -> None:
    card = folder / "resnet50.md"
    text = card.read_text(encoding="utf-8")
    edited = text.replace("<!-- prose: limits -->\n", "<!-- prose: limits -->\nOur words.\n") + "Elsewhere.\n"
    card.write_text(edited, encoding="utf-8")
    assert write(folder) == [card]
    after = card.read_text(encoding="utf-8")
    assert "Our words." in after and "Elsewhere." not in after
    assert after.replace("Our words.\n", "") == text


def test_records_are_kept_without_places(folder: Path) -> None:
    entry = store.entries()["dlp_cnn_s.ferplus"]
    record = make_record(
        "/home/me/run",
        model={"sha256": [entry.sha256]},
        spec="/home/me/run",
        key="ferplus_valid--home-me-run-1a2b3c4d",
        command="affectzoo benchmark --data ferplus=/home/me/fer --models /home/me/run --out /tmp/o",
    )
    path = folder.parent / "record.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert main(["--folder", str(folder), "--record", entry.name, str(path)]) == 0
    kept = folder / "records" / entry.name / f"ferplus_valid-{entry.name}-1a2b3c4d.json"
    told = kept.read_text(encoding="utf-8")
    assert ABSOLUTE.findall(told) == [] and "home-me" not in told
    text = (folder / f"{entry.name}.md").read_text(encoding="utf-8")
    assert "affectzoo benchmark --data ferplus=DIR --models dlp_cnn_s.ferplus --out board" in text


def test_a_record_that_no_card_can_show_replaces_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept,) = (folder / "records" / "dlp_cnn_s.ferplus").glob("ferplus_valid*.json")
    before = kept.read_bytes()
    path = folder.parent / "record.json"
    for change, field in (({"metrics": None}, "metrics"), ({"command": "a 'b"}, "command cannot be read")):
        path.write_text(json.dumps({**json.loads(before), **change}), encoding="utf-8")
        assert main(["--folder", str(folder), "--record", "dlp_cnn_s.ferplus", str(path)]) == 1
        assert field in capsys.readouterr().err
    assert main(["--folder", str(folder), "--record", "dlp_cnn_s.ferplus", str(folder / "gone.json")]) == 1
    assert "gone.json" in capsys.readouterr().err
    assert kept.read_bytes() == before


def test_records_of_other_weights_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "records" / "dlp_cnn_s.ferplus" / "other.json"
    entry = store.entries()["dlp_cnn_s.ferplus"]
    ours = {"sha256": [entry.sha256], "training": {}}
    for record, message in (
        (make_record(), r"was measured with other weights, sha256 736f.*; measure it: affectzoo benchmark"),
        (make_record(kind="features", model=ours), "is not a model as it is"),
        (make_record(model={**ours, "sha256": [entry.sha256] * 5}), "5 models of a cross-validation"),
    ):
        path.write_text(json.dumps(record), encoding="utf-8")
        with pytest.raises(WeightsError, match=rf"other\.json: no record of {entry.name}: .*{message}"):
            cards(folder)
    assert main(["--folder", str(folder), "--record", "no.such", str(path)]) == 1
    assert re.search(r"no\.such: records are kept of .*dlp_cnn_s\.ferplus", capsys.readouterr().err)
    assert main(["--folder", str(folder / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err
