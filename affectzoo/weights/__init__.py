"""Weights files: safetensors that carry their own meaning, and the entries of those the zoo knows.

A file's metadata holds, under the key ``affectzoo``, the JSON form of ``WeightsMeta``: everything needed to
rebuild the model and to feed it. An entry (``assets/weights/<arch>.<tag>.json``) adds where the file is and
its sha256. A repository on the Hub says so itself, in ``config.json``. Nothing here is unpickled, imported or
executed.

Users take all names from this package, ``store.locate(...)``: it is their one place to look.
"""

from __future__ import annotations

from affectzoo.weights.meta import SUBJECTS, Start, Training, WeightsMeta, check_share, license_terms
from affectzoo.weights.tensors import (
    FILE_NAME,
    GOLDEN,
    fingerprint,
    is_half,
    read_golden,
    read_meta,
    read_tensors,
    write,
)

__all__ = [
    "FILE_NAME",
    "GOLDEN",
    "SUBJECTS",
    "Start",
    "Training",
    "WeightsMeta",
    "check_share",
    "fingerprint",
    "is_half",
    "license_terms",
    "read_golden",
    "read_meta",
    "read_tensors",
    "write",
]
