"""Model cards, written from metadata, a benchmark's records and a template.

    python -m affectzoo.cards [--check] [--record NAME FILE]

writes ``model_cards/<arch>.<tag>.md`` for all weights that the zoo knows and ``model_cards/<arch>.md`` for
every architecture without any. What people write stands between ``<!-- prose: NAME -->`` and
``<!-- /prose -->`` and is kept; all else is generated, figures from
``model_cards/records/<arch>.<tag>/*.json`` and from the weights.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined

from affectzoo import golden, weights
from affectzoo.benchmark.groups import (
    BASIC,
    CLASS_METRICS,
    ON_TEST,
    Entry,
    Group,
    at,
    entries,
    family,
    groups,
    title,
)
from affectzoo.benchmark.leaderboard import board
from affectzoo.benchmark.records import read_record
from affectzoo.benchmark.tables import Cell, Column, Figure, Table, escaped, make_table, markdown_table, text
from affectzoo.errors import AffectZooError, WeightsError
from affectzoo.listing import architectures
from affectzoo.preprocess import Preprocess
from affectzoo.registry import DATASETS, architecture
from affectzoo.weights import ASSETS, SUBJECTS, WeightsMeta

FOLDER = ASSETS.parent.parent / "model_cards"
COMMAND = "python -m affectzoo.cards"
TEMPLATE = ASSETS / "card.md.jinja"
CODE_LICENCE = "Apache-2.0"
LICENCES = (
    "afl-3.0 agpl-3.0 apache-2.0 bsd-2-clause bsd-3-clause cc-by-3.0 cc-by-4.0 cc-by-nc-3.0 cc-by-nc-4.0 "
    "cc-by-nc-nd-4.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-4.0 cc0-1.0 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 mit "
    "mpl-2.0 openrail unlicense"
).split()
"""Identifiers of the Hub for licences that weights may have; any other one is ``other`` there."""

UNKNOWN = "not stated"
CLAIMED = "claimed by the training run"

_TRAINING = {
    "data": "data",
    "training_label_rule": "label rule",
    "recipe": "recipe",
    "recipe_hash": "recipe, SHA-256 of what it says",
    "seed": "seed",
    "epochs": "epochs",
    "epoch": "epoch taken",
    "epoch_rule": "how it was chosen",
    "started_from": "started from",
    "window": "frames per window",
    "eval_window": "frames per window in evaluation",
    "eval_stride": "frames from window to window in evaluation",
    "fold": "fold left out of training, counted from 0",
    "train_hash": "hash of the training faces",
    "valid_hash": "hash of the validation faces",
}
"""Facts of a training for people, in order; others keep their names."""
_EXPECTED = ("data", "recipe", "recipe_hash", "seed", "epochs", "epoch_rule")
"""Those of which a card says that they are not known."""

_TASKS = {
    "expression": "the expression of a face, one of {} classes",
    "va": "valence and arousal of a face",
    "valence": "valence of a face",
    "arousal": "arousal of a face",
    "multitask": "the expression of a face, one of {} classes, and its valence and arousal",
}
_TAGS = {
    "expression": ("facial-expression-recognition",),
    "multitask": ("facial-expression-recognition", "valence-arousal"),
}
_PROSE = re.compile(r"<!-- prose: (\w+) -->\n(.*?)<!-- /prose -->", re.DOTALL)
_MARKER = re.compile(r"<!-- /?prose\b")
_REPOSITORY = re.compile(r"(?:hf-hub:)?([\w.-]+/[\w.-]+)(?:@[\w./+-]+)?")


@dataclass(frozen=True)
class CardFacts:
    """What a card says beside what the weights say of themselves.

    Attributes:
        name: Of the weights: ``arch.tag`` for those that the zoo knows.
        repo: ``OWNER/NAME`` on the Hub; ``None`` where they are not there.
        sha256: Of each weights file, by its name.
        parameters: Number of trained values.
        size: Of the weights files together, bytes.
        records: Of a benchmark, of these weights.
        prose: What people wrote, by section; see ``read_prose``.
        versions: Of the libraries that wrote the files, by package.
        recipe: The recipe's file beside the card; by default the one that the weights name.
    """

    name: str
    repo: str | None
    sha256: Mapping[str, str]
    parameters: int
    size: int
    records: Sequence[Mapping[str, Any]] = ()
    prose: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    recipe: str | None = None


@dataclass(frozen=True)
class Result:
    """What was measured on some faces, ready to show.

    Attributes:
        title: Of the protocol.
        data: The data set.
        split: Its part; ``None`` for all of it.
        faces: Their number.
        task: What was measured, see ``BASIC``.
        marks: What must stand wherever a figure stands, such as ``rendered faces``.
        warnings: What else must be read before the figures.
        facts: Which faces, how measured.
        figures: By metric, over all faces.
        tables: All figures.
        command: Measures it again; ``None`` where that is not known.
        key: The record's; ``None`` without a record.
    """

    title: str
    data: str
    split: str | None
    faces: int | None
    task: str
    marks: tuple[str, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, Cell]
    figures: Mapping[str, Figure | None]
    tables: tuple[Table, ...]
    command: str | None
    key: str | None = None


def render(meta: WeightsMeta, facts: CardFacts) -> str:
    """The card of a set of weights: YAML metadata for the Hub, then Markdown.

    Args:
        meta: What the weights mean.
        facts: What else the card says.

    Raises:
        AffectZooError: There is prose for a section that no card has.
    """
    reference = facts.name if facts.name in weights.entries() else "DIR"
    reference = f"{weights.HUB}{facts.repo}" if facts.repo and reference == "DIR" else reference
    recipe = facts.recipe or meta.training.get("recipe")
    results = _results(meta, facts, reference)
    return _fill(
        facts.prose,
        metadata=_metadata(meta, facts, results),
        name=facts.name,
        arch=architecture(meta.arch),
        what=_TASKS[meta.task].format(len(meta.labels)),
        described=_pairs(_description(meta, facts)),
        preprocessing=preprocessing(meta.preprocess),
        training=_pairs(_training(meta, facts, recipe)),
        results=results,
        reference=reference,
        tag=reference.removeprefix(f"{meta.arch}."),
        command=_command_line(meta, reference, recipe),
        licences=_pairs(_licences(meta)),
        by_group=any(_by_group(record) for record in facts.records),
        citations=citations(meta.arch, (meta.training.get("data"), *(result.data for result in results))),
        frames=golden.FRAMES if meta.training.get("window") else 1,
        meta=meta,
        facts=facts,
    )


def render_untrained(
    name: str, row: Mapping[str, Any], recipes: Sequence[str], prose: Mapping[str, str]
) -> str:
    """The card of an architecture without weights.

    Args:
        name: Of the architecture.
        row: What ``affectzoo.listing.architectures`` says of it.
        recipes: Those that train it, its default first.
        prose: What people wrote, by section.

    Raises:
        AffectZooError: There is prose for a section that no such card has.
    """
    arch = architecture(name)
    described: dict[str, Cell] = {
        "architecture": f"{name}: {arch.summary}",
        "source": arch.source,
        "tasks": ", ".join(arch.tasks),
        "parameters, with 8 classes": row["parameters"],
        "input": row["input"],
        "weights": "none",
        "licence of the code": CODE_LICENCE,
    }
    data = ModelCardData(
        license=hub_licence(CODE_LICENCE)[0], library_name="affectzoo", tags=[*_TAGS["multitask"], name]
    )
    return _fill(
        prose,
        metadata=data.to_yaml(line_break="\n"),
        name=name,
        arch=arch,
        described=_pairs(described),
        recipes=recipes,
        citations=citations(name, ()),
        meta=None,
    )


def _fill(prose: Mapping[str, str], **values: Any) -> str:
    """The template with values and prose in it."""
    used = set()

    def section(name: str) -> str:
        used.add(name)
        told = prose.get(name, "").strip()
        return f"<!-- prose: {name} -->\n" + (f"{told}\n" if told else "") + "<!-- /prose -->"

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"escaped": escaped, "table": markdown_table, "text": text}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    card = template.render(prose=section, **values)
    lost = sorted(set(prose) - used)
    if lost:
        raise AffectZooError(
            f"the card of {values['name']} has no section for the prose {', '.join(lost)}; "
            f"sections are {', '.join(sorted(used))}"
        )
    return card


def read_prose(text: str, where: str) -> dict[str, str]:
    """What people wrote in a card, by section.

    Args:
        text: The card.
        where: Its file, for errors.

    Raises:
        AffectZooError: Its markers do not pair, or a section comes twice.
    """
    found = _PROSE.findall(text)
    if len(_MARKER.findall(text)) != 2 * len(found) or len({name for name, _ in found}) != len(found):
        raise AffectZooError(
            f"{where}: its markers of prose do not pair: each section has <!-- prose: NAME --> on a line of "
            "its own, once, and then <!-- /prose -->"
        )
    return {name: told.strip() for name, told in found}


def preprocessing(rule: Preprocess) -> list[str]:
    """How a face becomes the network's input, in words, step by step."""
    change = f", made {abs(rule.margin):.0%} {'larger' if rule.margin > 0 else 'smaller'}"
    edge = f"its centre, its longer edge{change if rule.margin else ''}"
    colour = "grey (ITU-R 601 luma)" if rule.color == "gray" else "RGB"
    scaled = f"Scale it to {rule.face_size} x {rule.face_size} pixels"
    cut = f", then cut out the central {rule.size} x {rule.size}" if rule.face_size != rule.size else ""
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (rule.mean, rule.std))
    return [
        f"Cut a square around the detector's box: {edge}. A ready crop is taken whole. Where the square "
        "leaves the picture, its edge pixels are repeated.",
        f"Convert it to {colour}.",
        f"{scaled}{cut}.",
        f"Bring pixels from 0..255 to 0..1, subtract the mean ({mean}) and divide by the standard deviation "
        f"({std}).",
    ]


def citations(arch: str, data: Sequence[Any]) -> list[str]:
    """Papers to cite, each once.

    Args:
        arch: Name of the architecture.
        data: Names of the data sets; others are passed over.
    """
    papers, source = _citations(), architecture(arch).source
    found = [told for start, told in papers["sources"].items() if source.startswith(start)]
    found += [papers["data"].get(name, []) for name in data]
    return list(dict.fromkeys(paper for told in found for paper in told))


@cache
def _citations() -> dict[str, dict[str, list[str]]]:
    loaded: dict[str, dict[str, list[str]]] = yaml.safe_load(
        (ASSETS / "citations.yaml").read_text(encoding="utf-8")
    )
    return loaded


# Sections


def _pairs(rows: Mapping[str, Cell]) -> Table:
    """A table of two columns without headings."""
    return Table("facts", "", (Column(""), Column("")), tuple(rows.items()))


def _description(meta: WeightsMeta, facts: CardFacts) -> dict[str, Cell]:
    arch, rule = architecture(meta.arch), meta.preprocess
    points = ", and 68 landmarks (iBUG order)" if meta.arguments.get("landmarks") else ""
    window = meta.training.get("window")
    return {
        "architecture": f"{meta.arch}: {arch.summary}",
        "source": arch.source,
        "its arguments": _told(meta.arguments) or "none",
        "parameters": facts.parameters,
        "size": f"{facts.size:,} bytes ({facts.size / 2**20:.1f} MiB)",
        "input": f"{rule.size} x {rule.size} {rule.color}{points}"
        + (f"; clips, in windows of {window} frames" if window else ""),
        **{f"sha256 of {name}": digest for name, digest in facts.sha256.items()},
        **({"written with": _told(facts.versions)} if facts.versions else {}),
    }


def _training(meta: WeightsMeta, facts: CardFacts, recipe: str | None) -> dict[str, Cell]:
    known = {**meta.training, "recipe": recipe}
    if "fold" in known and "folds" in known:
        known["fold"] = f"{known['fold']} of {known.pop('folds')}"
    if known.get("data") in DATASETS:
        known["data"] = DATASETS[known["data"]].title
    order = dict.fromkeys([*_TRAINING, *known])
    rows: dict[str, Cell] = {}
    for name in order:
        told = _told(known.get(name)) or (UNKNOWN if name in _EXPECTED else "")
        rows |= {_TRAINING.get(name, name.replace("_", " ")): told} if told else {}
    return rows | {"the test part chose the epoch": _chosen_on_test(meta, facts)}


def _chosen_on_test(meta: WeightsMeta, facts: CardFacts) -> str:
    found = {at(record, "epoch", "on_test") for record in facts.records}
    if True in found:
        return "yes: figures on those faces are too high"
    last = str(meta.training.get("epoch_rule")).startswith("last")
    return "no" if last or found == {False} else "not known"


def _told(value: Any) -> str:
    """A fact as text; empty where there is nothing to say. Long lists are counted."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_told(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) if len(value) <= 8 else f"{len(value):,}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def _licences(meta: WeightsMeta) -> dict[str, Cell]:
    known = {subject: meta.licence.get(subject) or UNKNOWN for subject in SUBJECTS}
    if not meta.training.get("started_from") and not meta.licence.get("starting weights"):
        known["starting weights"] = "none are recorded"
    return {**known, **{k: v for k, v in meta.licence.items() if k not in SUBJECTS}}


def _command_line(meta: WeightsMeta, reference: str, recipe: str | None) -> str:
    """What to do with the weights from a shell.

    Weights to start a training from are trained; models of clips or with landmarks, for which no picture is
    enough, are measured on data; all others predict.
    """
    if meta.training.get("fresh"):
        words = ["affectzoo", "fit", "--config", recipe or "RECIPE.yaml", "--data.root", "DIR"]
        return shlex.join([*words, "--model.weights", reference, "--model.new_head", "true"])
    if meta.training.get("window") or meta.arguments.get("landmarks"):
        return _test_command(meta, reference, recipe or "RECIPE.yaml")
    return f"affectzoo predict photo.jpg --model {reference}"


def _test_command(meta: WeightsMeta, reference: str, recipe: str, split: str | None = None) -> str:
    words = ["affectzoo", "test", "--config", recipe, "--data.root", "DIR"]
    words += ["--data.test_split", split] if split else []
    for name in ("fold", "folds"):
        words += [f"--data.{name}", str(meta.training[name])] if name in meta.training else []
    return shlex.join([*words, "--model.weights", reference, "--model.new_head", "false"])


# Results


def _results(meta: WeightsMeta, facts: CardFacts, reference: str) -> list[Result]:
    """Records, and claims about parts of data sets that no record is about; those with a mark come last."""
    measured = [_measured(record, reference) for record in facts.records]
    known = {(result.data, result.split) for result in measured}
    recipe = facts.recipe or meta.training.get("recipe")
    claimed = [
        _claimed(meta, claim, reference, recipe)
        for claim in meta.metrics
        if (claim.get("data"), claim.get("split")) not in known
    ]
    return sorted([*measured, *claimed], key=lambda result: bool(set(result.marks) - {CLAIMED}))


def _measured(record: Mapping[str, Any], reference: str) -> Result:
    (group,) = groups([record])
    (entry,) = entries(group)
    shown, protocol, faces = board(group, ()), record["protocol"], record["faces"]
    chosen = {True: "yes", False: "no", None: "not known"}[at(record, "epoch", "on_test")]
    missing = f"{faces['missing']:,} of {faces['total']:,}" if faces["missing"] else "none"
    facts: dict[str, Cell] = {k: v for k, v in shown.facts.items() if k not in ("What", "Sorted by")}
    facts |= {
        "Faces without an answer": missing,
        "Faces found by": protocol.get("detector") or "the data set's own boxes or crops",
        "These faces chose the epoch": chosen,
    }
    notes = [protocol["note"]] if protocol.get("note") else []
    marks = (*notes, *([ON_TEST] if entry.on_test else []))
    folds = protocol.get("folds", 1)
    each = [f"Means over the models of {folds} folds; this is one of them"] if folds > 1 else []
    return Result(
        title=protocol["title"],
        data=protocol["data"]["test"],
        split=group.split,
        faces=faces["total"],
        task=protocol["task"],
        marks=marks,
        warnings=tuple(told for told in (*each, *shown.warnings, *entry.notes()) if told not in marks),
        facts=facts,
        figures=entry.metrics_all,
        tables=tuple(_measured_tables(record, group, entry)),
        command=portable_command(record["command"], reference),
        key=record["key"],
    )


def _measured_tables(record: Mapping[str, Any], group: Group, entry: Entry) -> Iterator[Table]:
    over_all = entry.metrics_all if record.get("metrics_all") else {}
    rows: list[dict[Column, Cell]] = [
        {
            Column("metric"): title(name),
            Column("value"): value,
            Column("over all faces, those without an answer as wrong or 0"): over_all.get(name),
            Column("skew-normalised"): entry.normalised.get(name),
        }
        for name, value in entry.metrics.items()
    ]
    yield from _known(make_table("metrics", "", rows))
    for name, parts in record.items():
        if name.startswith("per_"):
            yield from _known(_part_table(name.removeprefix("per_"), parts))
    by_fold: list[dict[Column, Cell]] = [
        {
            Column("fold"): str(fold["fold"]),
            Column("faces"): fold["faces"],
            **{Column(title(n)): v for n, v in fold["metrics"].items() if family(n) == group.main},
        }
        for fold in record.get("folds") or ()
        if len(record["folds"]) > 1
    ]
    yield from _known(make_table("folds", "", by_fold))


def _part_table(what: str, parts: Mapping[str, Mapping[str, Cell]]) -> Table | None:
    """Figures by class or by group: a row for each."""
    counts = {"support": "faces", "faces": "faces"}
    rows: list[dict[Column, Cell]] = [
        {
            Column(what): name,
            **{
                Column(counts.get(measure, title(measure)), digits=0 if measure in counts else 4): value
                for measure, value in measures.items()
            },
        }
        for name, measures in parts.items()
    ]
    return make_table(what, "", rows)


def _by_group(record: Mapping[str, Any]) -> bool:
    return any(name.startswith("per_") and name != "per_class" for name in record)


def _known(table: Table | None) -> Iterator[Table]:
    yield from () if table is None else (table,)


def _claimed(meta: WeightsMeta, claim: Mapping[str, Any], reference: str, recipe: str | None) -> Result:
    data, split, clips = claim.get("data"), claim.get("split"), claim.get("per_clip", {})
    figures = {name: Figure(value) for name, value in claim.items() if isinstance(value, float)}
    rows: list[dict[Column, Cell]] = [
        {Column("metric"): title(name), Column("value"): value, Column("per clip"): clips.get(name)}
        for name, value in figures.items()
    ]
    support, recall = claim.get("support", {}), claim.get("recall", {})
    classes = {name: {"support": support.get(name), "recall": value} for name, value in recall.items()}
    tables = (make_table("metrics", "", rows), _part_table("class", classes))
    whole = DATASETS[str(data)].title if data in DATASETS else str(data or UNKNOWN)
    chosen = _chose_epoch(meta, data, split)
    return Result(
        title=f"{whole}, {split or 'unknown'} part",
        data=str(data or UNKNOWN),
        split=split,
        faces=claim.get("faces"),
        task=meta.task if meta.task in BASIC else "va",
        marks=(CLAIMED, *([ON_TEST] if chosen else [])),
        warnings=(),
        facts={
            "Faces": claim.get("faces"),
            "Clips": clips.get("clips"),
            "Intervals": "none",
            "These faces chose the epoch": {True: "yes", False: "no", None: "not known"}[chosen],
        },
        figures=figures,
        tables=tuple(table for table in tables if table is not None),
        command=_test_command(meta, reference, recipe, split) if recipe else None,
    )


def _chose_epoch(meta: WeightsMeta, data: Any, split: Any) -> bool | None:
    """Whether a part of a data set chose the epoch; ``None`` where that is not known."""
    rule = meta.training.get("epoch_rule")
    if rule is None:
        return None
    if rule.startswith("last") or data != meta.training.get("data"):
        return False
    return True if split == "valid" else None


def portable_command(command: str, spec: str) -> str:
    """A benchmark's command with what is elsewhere on each machine to be filled in.

    Args:
        command: Of a record.
        spec: The model's name for others.

    Returns:
        The same with ``DIR`` for folders, ``FILE`` for a detector's file and ``spec`` for the model; the
        models of folds are ``DIR/fold_{fold}``.
    """
    words = shlex.split(command)
    for i, option in enumerate(words[:-1], 1):
        if option == "--data":
            words[i] = f"{words[i].partition('=')[0]}=DIR"
        elif option == "--models":
            words[i] = "DIR/fold_{fold}" if "{fold}" in words[i] else spec
        words[i] = {"--out": "DIR", "--detector-file": "FILE"}.get(option, words[i])
    return shlex.join(words)


# Metadata


def _metadata(meta: WeightsMeta, facts: CardFacts, results: Sequence[Result]) -> str:
    """The YAML block, as huggingface_hub writes it."""
    found = [one for result in results for one in eval_results(result)]
    data = str(meta.training.get("data"))
    started = _REPOSITORY.fullmatch(str(meta.training.get("started_from")))
    identifier, own_name = hub_licence(meta.licence.get("weights", ""))
    card = ModelCardData(
        license=identifier,
        license_name=own_name,
        library_name="affectzoo",
        pipeline_tag="image-classification" if meta.labels else None,  # the Hub has no task for values
        tags=[*_TAGS.get(meta.task, ("valence-arousal",)), meta.arch],
        datasets=[data] if data in DATASETS and DATASETS[data].access != "yours" else None,
        base_model=started[1] if started else None,
        metrics=sorted({one.metric_type for one in found}) or None,
        model_name=facts.name,
        eval_results=found or None,
    )
    return card.to_yaml(line_break="\n")


def hub_licence(terms: str) -> tuple[str, str | None]:
    """Terms of weights as the Hub says them: its identifier and, for ``other``, their own name."""
    plain = re.sub(r"[^a-z0-9.]+", "-", terms.lower()).strip("-")
    if not plain:
        return "unknown", None
    return (plain, None) if plain in LICENCES else ("other", plain[:64])


def eval_results(result: Result) -> list[EvalResult]:
    """The main figures of a result for the Hub's model-index, with marks in the data set's name."""
    marks = f" ({'; '.join(result.marks)})" if result.marks else ""
    return [
        EvalResult(
            task_type="image-classification" if family(name) in CLASS_METRICS else "other",
            task_name=_TASKS[result.task].partition(",")[0],
            dataset_type=result.data,
            dataset_name=f"{result.title}{marks}",
            dataset_config=result.key,
            dataset_split=result.split,
            dataset_args={"faces": result.faces},
            metric_type=name,
            metric_name=title(name),
            metric_value=round(figure.value, 4),
        )
        for name, figure in result.figures.items()
        if figure is not None and family(name) in BASIC[result.task] and not name.startswith("own_scale_")
    ]


# Files


def cards(folder: Path = FOLDER) -> dict[Path, str]:
    """Every card that there should be, with the prose of those that are there.

    Args:
        folder: ``model_cards`` of a checkout.

    Raises:
        AffectZooError: The folder is not there, or a card's or a record's file is wrong.
        WeightsError: A record is of other weights.
    """
    if not folder.is_dir():
        raise AffectZooError(f"{folder}: no such folder; {COMMAND} works in a checkout of the repository")
    found = {}
    for name, entry in weights.entries().items():
        path = folder / f"{name}.md"
        facts = CardFacts(
            name,
            entry.repo_id,
            {entry.file: entry.sha256},
            entry.parameters,
            entry.size,
            [
                _own(read_record(file), entry, file)
                for file in sorted((folder / "records" / name).glob("*.json"))
            ],
            _kept(path),
        )
        found[path] = render(entry.meta, facts)
    for row in architectures():
        name, path = row["name"], folder / f"{row['name']}.md"
        if not row["weights"]:
            every = sorted((folder.parent / "recipes" / name).glob("*.yaml"))
            others = (f"recipes/{name}/{file.name}" for file in every)
            recipes = list(dict.fromkeys((row["recipe"], *others)))
            found[path] = render_untrained(name, row, recipes, _kept(path))
    return found


def _kept(path: Path) -> dict[str, str]:
    return read_prose(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}


def _own(record: dict[str, Any], entry: weights.WeightsEntry, path: Path) -> dict[str, Any]:
    """A record, if it is of a set of weights.

    Raises:
        WeightsError: It is of others.
    """
    measured = at(record, "model", "sha256") or ["none"]
    if entry.sha256 not in measured:
        raise WeightsError(
            f"{path}: a record of the weights {', '.join(measured)}, but those of {entry.name} are "
            f"{entry.sha256}; measure them again: {portable_command(record['command'], entry.name)}"
        )
    return record


def keep_record(name: str, path: Path, folder: Path = FOLDER) -> Path:
    """Copy a record of a benchmark to the cards, without this machine's paths.

    Args:
        name: ``arch.tag``, whose record it is.
        path: The record.
        folder: See ``cards``.

    Raises:
        AffectZooError: It is no record.
        WeightsError: It is of other weights, or the zoo knows none of this name.
    """
    entry = weights.entries().get(name)
    if entry is None:
        raise WeightsError(f"{name}: records are kept of {', '.join(weights.entries())}")
    record = _own(read_record(path), entry, path)
    record |= {"spec": name, "command": portable_command(record["command"], name)}
    record.pop("predictions", None)
    if not re.fullmatch(r"[\w.+-]+", record["key"]):
        raise AffectZooError(f"{path}: its key is {record['key']!r}: expected letters, digits and ._+- alone")
    target = folder / "records" / name / f"{record['key']}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def stale(folder: Path = FOLDER) -> list[Path]:
    """Cards that are missing, not as they would be written now, or of nothing in the zoo."""
    wanted = cards(folder)
    wrong = [p for p, card in wanted.items() if not p.is_file() or p.read_text(encoding="utf-8") != card]
    return wrong + sorted(set(folder.glob("*.md")) - set(wanted))


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the cards that are stale and delete those of nothing in the zoo; returns which."""
    wanted, wrong = cards(folder), stale(folder)
    for path in wrong:
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 1 when cards are stale under ``--check``."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the repository's model cards.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a card is stale")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    parser.add_argument(
        "--record",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "FILE"),
        help="first keep a copy of a benchmark's record of the weights NAME",
    )
    args = parser.parse_args(arguments)
    try:
        for name, file in args.record:
            print(f"kept {keep_record(name, Path(file), args.folder)}")
        if not args.check:
            print("\n".join(f"{path}" for path in write(args.folder)) or "all cards are as they should be")
            return 0
        for path in (wrong := stale(args.folder)):
            print(f"{path}: stale; run: {COMMAND}", file=sys.stderr)
        return 1 if wrong else 0
    except AffectZooError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
