"""Weights files: safetensors that carry their own meaning, and the entries of those the zoo knows.

A file's metadata holds, under the key ``affectzoo``, the JSON form of ``WeightsMeta``: everything needed to
rebuild the model and to feed it. Large weights are in several files beside an index, which holds that
metadata and says where each tensor is; wherever a weights file's path is taken here, an index's is as well.
An entry (``assets/weights/<arch>.<tag>.json``) adds where the file is and its sha256. A repository on the Hub
says so itself, in ``config.json``. Nothing here is unpickled, imported or executed.

Users take all names from this package, ``store.locate(...)``: it is their one place to look.
"""

from __future__ import annotations

from affectzoo.weights.meta import SUBJECTS, Training, WeightsMeta, license_terms
from affectzoo.weights.parts import FILE_NAME, INDEX_NAME, files, identity
from affectzoo.weights.tensors import (
    GOLDEN,
    fingerprint,
    is_half,
    read_golden,
    read_meta,
    read_tensors,
    write,
    write_sharded,
)

__all__ = [
    "FILE_NAME",
    "GOLDEN",
    "INDEX_NAME",
    "SUBJECTS",
    "Training",
    "WeightsMeta",
    "files",
    "fingerprint",
    "identity",
    "is_half",
    "license_terms",
    "read_golden",
    "read_meta",
    "read_tensors",
    "write",
    "write_sharded",
]
