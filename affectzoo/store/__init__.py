"""Find weights by name: bundled with affectzoo, in a run's folder, in a file, or on the Hugging Face Hub.

An entry (``assets/weights/<arch>.<tag>.json``) says where a known file is, and its sha256. A repository
on the Hub
says so itself, in ``config.json``.
"""

from __future__ import annotations

from affectzoo.store.entry import ASSETS, WeightsEntry, entries
from affectzoo.store.hub import CONFIG_NAME, FORMAT, HUB
from affectzoo.store.location import Location, locate, verify

__all__ = [
    "ASSETS",
    "CONFIG_NAME",
    "FORMAT",
    "HUB",
    "Location",
    "WeightsEntry",
    "entries",
    "locate",
    "verify",
]
