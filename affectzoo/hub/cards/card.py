"""A card's text: the template, filled with facts, results, metadata and prose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

from affectzoo import store
from affectzoo.console import markdown_block, visible
from affectzoo.errors import AffectZooError
from affectzoo.hub.cards.citations import citations
from affectzoo.hub.cards.commands import use_command
from affectzoo.hub.cards.facts import (
    TASKS,
    CardFacts,
    description,
    licenses,
    preprocessing,
    training,
    untrained_description,
)
from affectzoo.hub.cards.metadata import untrained_metadata, weights_metadata
from affectzoo.hub.cards.prose import mark_prose
from affectzoo.hub.cards.results import by_group, results_of
from affectzoo.leaderboard.tables import escaped, markdown_table, text
from affectzoo.store import ASSETS
from affectzoo.weights import WeightsMeta
from affectzoo.zoo import golden

TEMPLATE = ASSETS / "card.md.jinja"


def render(meta: WeightsMeta, facts: CardFacts) -> str:
    """The card of a set of weights: YAML metadata for the Hub, then Markdown.

    Args:
        meta: What the weights mean.
        facts: What else the card says.

    Raises:
        AffectZooError: There is prose for a section that no card has.
    """
    reference = _reference(facts)
    recipe = facts.recipe or meta.training.recipe
    results = results_of(facts.records, reference)
    return _fill(
        facts.prose,
        metadata=weights_metadata(meta, facts.name, results),
        name=facts.name,
        what=TASKS[meta.task].format(len(meta.labels)),
        described=description(meta, facts),
        preprocessing=preprocessing(meta.preprocess),
        training=training(meta, recipe, [result.chose_epoch for result in results]),
        results=results,
        reference=reference,
        tag=reference.removeprefix(f"{meta.arch}."),
        command=use_command(meta, reference, recipe),
        licenses=licenses(meta),
        by_group=any(map(by_group, facts.records)),
        citations=citations(meta.arch, (meta.training.data, *(result.data for result in results))),
        frames=golden.FRAMES if meta.sequence else 1,
        meta=meta,
        facts=facts,
    )


def render_untrained(
    name: str, row: Mapping[str, Any], recipes: Sequence[str], prose: Mapping[str, str]
) -> str:
    """The card of an architecture without weights.

    Args:
        name: Of the architecture.
        row: What ``affectzoo.zoo.listing.architectures`` says of it.
        recipes: Those that train it, its default first.
        prose: What people wrote, by section.

    Raises:
        AffectZooError: There is prose for a section that no such card has.
    """
    return _fill(
        prose,
        metadata=untrained_metadata(name),
        name=name,
        described=untrained_description(name, row),
        recipes=recipes,
        citations=citations(name, ()),
        meta=None,
    )


def _reference(facts: CardFacts) -> str:
    """What to load the weights by: their name, else their repository's, else the card's folder."""
    if facts.name in store.entries():
        return facts.name
    return f"{store.HUB}{facts.repo}" if facts.repo else "DIR"


def _fill(prose: Mapping[str, str], **values: Any) -> str:
    """The template with values and prose in it."""
    used = set()

    def section(name: str) -> str:
        used.add(name)
        return mark_prose(name, prose.get(name, "").strip())

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"escaped": escaped, "sh": _shell, "table": markdown_table, "text": text}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    card = template.render(prose=section, **values)
    lost = sorted(set(prose) - used)
    if lost:
        raise AffectZooError(
            f"the card of {values['name']} has no section for the prose {', '.join(lost)}; "
            f"sections are {', '.join(sorted(used))}"
        )
    return card


def _shell(command: str) -> str:
    """Show a command as a block that nothing in it can end."""
    return markdown_block(visible(command), "sh")
