"""A card's YAML block, from which the Hub lists a model: license, tags, data and, as model-index, figures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from huggingface_hub import EvalResult, ModelCardData

from affectzoo.console import visible
from affectzoo.hub.cards.facts import CODE_LICENSE, TASKS
from affectzoo.hub.cards.results import Result
from affectzoo.leaderboard.groups import BASIC
from affectzoo.metrics.names import CLASS_METRICS, family, title
from affectzoo.registry import DATASETS
from affectzoo.weights import WeightsMeta

LICENSES = (
    "afl-3.0 agpl-3.0 apache-2.0 bsd-2-clause bsd-3-clause cc-by-3.0 cc-by-4.0 cc-by-nc-3.0 cc-by-nc-4.0 "
    "cc-by-nc-nd-4.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-4.0 cc0-1.0 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 mit "
    "mpl-2.0 openrail unlicense"
).split()
"""Identifiers of the Hub for licenses that weights may have; any other one is ``other`` there."""

_TAGS = {
    "expression": ("facial-expression-recognition",),
    "multitask": ("facial-expression-recognition", "valence-arousal"),
    "landmarks": ("facial-landmarks",),
}
_PIPELINES = dict.fromkeys(("expression", "multitask"), "image-classification") | {
    "landmarks": "keypoint-detection"
}
"""The Hub's names of tasks; it has none for values."""
_REPOSITORY = re.compile(r"(?:hf-hub:)?([\w.-]+/[\w.-]+)(?:@[\w./+-]+)?")


def weights_metadata(meta: WeightsMeta, name: str, results: Sequence[Result]) -> str:
    """The block of a set of weights, as huggingface_hub writes it.

    Args:
        meta: What the weights mean.
        name: Theirs.
        results: What was measured of them.
    """
    found = [one for result in results for one in eval_results(result)]
    data = meta.training.data or ""
    started = _REPOSITORY.fullmatch(meta.training.started_from or "")
    identifier, own_name = hub_license(meta.license.get("weights", ""))
    card = ModelCardData(
        license=identifier,
        license_name=own_name,
        library_name="affectzoo",
        pipeline_tag=_PIPELINES.get(meta.task),
        tags=[*_TAGS.get(meta.task, ("valence-arousal",)), meta.arch],
        datasets=[data] if data in DATASETS and DATASETS[data].access != "yours" else None,
        base_model=started[1] if started else None,
        metrics=sorted({one.metric_type for one in found}) or None,
        model_name=name,
        eval_results=found or None,
    )
    return card.to_yaml(line_break="\n")


def untrained_metadata(arch: str) -> str:
    """The block of an architecture without weights."""
    card = ModelCardData(
        license=hub_license(CODE_LICENSE)[0], library_name="affectzoo", tags=[*_TAGS["multitask"], arch]
    )
    return card.to_yaml(line_break="\n")


def hub_license(terms: str) -> tuple[str, str | None]:
    """Terms of weights as the Hub says them: its identifier and, for ``other``, their own name."""
    plain = re.sub(r"[^a-z0-9.]+", "-", terms.lower()).strip("-")
    if not plain:
        return "unknown", None
    return (plain, None) if plain in LICENSES else ("other", plain[:64])


def eval_results(result: Result) -> list[EvalResult]:
    """The main figures of a result for the Hub's model-index, with marks in the data set's name."""
    marks = f" ({'; '.join(result.marks)})" if result.marks else ""
    return [
        EvalResult(
            task_type="image-classification" if family(name) in CLASS_METRICS else "other",
            task_name=TASKS[result.task].partition(",")[0],
            dataset_type=visible(result.data),
            dataset_name=visible(f"{result.title}{marks}"),
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
