"""Find weights by name: bundled with affectzoo, in a run's folder, in a file, or on the Hugging Face Hub.

An entry (``assets/weights/<arch>.<tag>.json``) says where a known file is, its sha256 and what it means; a
published folder or repository says so itself, in ``config.json``. ``verify`` holds the weights to it.
"""

from __future__ import annotations

from affectzoo.store.config import CONFIG_LIMIT, CONFIG_NAME, FORMAT, LIBRARY, Claim, config_of
from affectzoo.store.entry import ASSETS, WeightsEntry, entries
from affectzoo.store.hub import HUB, pretrained_name
from affectzoo.store.location import Location, locate, public_name, verify

__all__ = [
    "ASSETS",
    "CONFIG_LIMIT",
    "CONFIG_NAME",
    "FORMAT",
    "HUB",
    "LIBRARY",
    "Claim",
    "Location",
    "WeightsEntry",
    "config_of",
    "entries",
    "locate",
    "pretrained_name",
    "public_name",
    "verify",
]
