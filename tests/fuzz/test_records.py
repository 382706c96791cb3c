"""Damaged records are refused with one line, or can be shown.

The default suite tries a few, always the same. More, other ones each time, with::

    AFFECTZOO_FUZZ=50000 python -m pytest tests/fuzz
"""

from __future__ import annotations

import json

import pytest
from fakes.shown import show, whole_records
from hypothesis import given
from hypothesis import strategies as st

from affectzoo.errors import AffectZooError
from affectzoo.evaluation.record import read_record
from fuzz.mutation import damaged, fuzzed

WHOLE = whole_records()


@st.composite
def damaged_bytes(draw: st.DrawFn) -> bytes:
    """A record with one to three damages, as bytes."""
    content = json.dumps(damaged(draw(st.sampled_from(WHOLE)), draw)).encode()
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(content)))
        content = content[:cut] + draw(st.binary(max_size=4)) + content[cut + draw(st.integers(0, 4)) :]
    return content


@fuzzed(60, 1 / 10)
@given(content=damaged_bytes())
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
