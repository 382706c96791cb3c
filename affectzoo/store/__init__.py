"""Find weights by name: bundled with affectzoo, in a run's folder, in a file, or on the Hugging Face Hub.

An entry (``assets/weights/<arch>.<tag>.json``) says where a known file is, its sha256 and what it means; a
published folder or repository says so itself, in ``config.json``. ``verify`` holds the weights to it.
"""

from __future__ import annotations

from affectzoo.store.config import CONFIG_LIMIT, CONFIG_NAME, FORMAT, Claim
from affectzoo.store.entry import ASSETS, WeightsEntry, entries
from affectzoo.store.hub import HUB
from affectzoo.store.location import Location, locate, verify

__all__ = [
    "ASSETS",
    "CONFIG_LIMIT",
    "CONFIG_NAME",
    "FORMAT",
    "HUB",
    "Claim",
    "Location",
    "WeightsEntry",
    "entries",
    "locate",
    "verify",
]
