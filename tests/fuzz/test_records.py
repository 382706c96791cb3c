"""Damaged records are refused with one line, or can be shown.

The default suite tries a few, always the same. More, other ones each time, with::

    AFFECTZOO_FUZZ=50000 pytest tests/fuzz
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fakes.shown import show, whole_records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectzoo.errors import AffectZooError
from affectzoo.evaluation.record import read_record
from fuzz.mutation import MANY

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 1e308, -1e308, 10**400, 2**63, float("nan"), float("inf")),
    *("", "x", "[/b]", "\ud800", "\x1b[31m", "=1+1", "```", "../../x", "NaN", "é" * 3, "x" * 30_000),
    *([], {}, [[]], [None], {"": None}, {"value": None}, {"value": "1"}, [1, 2, 3], ["a", "a"]),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested JSON."""
    inner = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, part in inner:
        yield (*at, name)
        yield from places(part, (*at, name))


WHOLE = whole_records()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A record with one to three damages, as bytes."""
    record = copy.deepcopy(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(record))))
        at = record
        for name in path:
            at = at[name]
        damage = draw(st.sampled_from(("replace", "drop", "rename", "nest")))
        if damage == "replace":
            at[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif damage == "nest":
            at[last] = json.loads(
                draw(st.sampled_from(("[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300)))
            )
        elif damage == "rename" and isinstance(at, dict):
            at[draw(st.sampled_from(("x", "per_x", "[/b]", "")))] = at.pop(last)
        else:
            del at[last]
    content = json.dumps(record).encode()
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(content)))
        content = content[:cut] + draw(st.binary(max_size=4)) + content[cut + draw(st.integers(0, 4)) :]
    return content


@settings(
    max_examples=MANY or 60,
    deadline=None,
    derandomize=not MANY,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(content=damaged())
def test_damaged_records_are_read_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(content)
    try:
        record = read_record(path)
    except AffectZooError as error:
        assert "damaged.json" in str(error) and len(str(error)) < 3000
        return
    show(record)
