"""What readers are told of a group before its figures: facts, and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affectzoo.leaderboard.groups import Entry, Group, at, title
from affectzoo.leaderboard.tables import text


def facts_of(group: Group) -> dict[str, str]:
    """What was measured on which faces, by heading."""
    protocol, first = group.protocol, group.records[0]
    faces, interval = first["faces"], first.get("interval") or {}
    counts = [f"{faces[what]:,} {what}" for what in ("subjects", "clips") if faces.get(what)]
    facts = {
        "What": protocol.get("title"),
        "Data": " to ".join(dict.fromkeys(name for name in protocol["data"].values() if name)),
        "Faces": ", ".join([f"{faces['total']:,}", *counts])
        + f"; a result per {protocol.get('unit', 'face')}",
        "Folds": str(protocol["folds"]) if protocol.get("folds", 1) > 1 else None,
        "Hash of the faces": protocol["hash"],
        "Sorted by": title(group.main),
        "Protocol reports": protocol.get("metrics"),
        "Intervals": "{level:.0%}, bootstrap of {resamples:,} resamples over {units}".format(**interval)
        if interval
        else None,
        "Follows": protocol.get("paper"),
        "Decided here": protocol.get("ours"),
    }
    return {name: what for name, what in facts.items() if what}


def warnings_of(group: Group, ranked: Sequence[Entry]) -> tuple[str, ...]:
    """Of the faces, of those left out, and of systems whose outputs seem to be misread.

    Args:
        group: Whose faces these are.
        ranked: Its systems.
    """
    found = [group.warning] if group.warning else []
    found += own_warnings(group)
    for record in group.records:
        left_out = at(record, "faces", "left_out") or {}
        found += [f"{count:,} faces are left out: {reason}" for reason, count in left_out.items() if count]
    for entry in ranked:
        for label, record in entry.runs():
            found += [f"{label}: {_probe(probe)}" for probe in record.get("probes") or ()]
    return tuple(dict.fromkeys(found))


def own_warnings(group: Group) -> list[str]:
    """In what the faces are not the protocol's."""
    found = []
    for record in group.records:
        protocol = record["protocol"]
        found += [_deviation(part) for part in protocol.get("deviations") or () if not part["equal"]]
        found += [protocol["note"]] if protocol.get("note") else []
    return found


def _deviation(part: Mapping[str, Any]) -> str:
    published = " or ".join(f"{count:,}" for count in part["published"])
    where = "in all" if part["part"] == "all" else f"in the {part['part']} part"
    return f"this copy: {part['found']:,} {part['what']} {where}; published: {published}"


def _probe(probe: Mapping[str, Any]) -> str:
    metric, change, question = {
        "swap": ("accuracy", f"swapping {' and '.join(probe.get('classes', ()))}", "label order"),
        "order": ("accuracy", f"reading its outputs as {', '.join(probe.get('order', ()))}", "label order"),
        "values": ("ccc", f"to {probe.get('change')}", "order, sign and scale of its values"),
    }[probe["kind"]]
    gain = f"{title(metric)} from {text(probe[metric])} to {text(probe['would_be'])}"
    return f"{change} would raise {gain}: is the {question} right?"
