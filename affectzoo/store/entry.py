"""The entries of the weights that the zoo knows by name: ``assets/weights/<arch>.<tag>.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from affectzoo.errors import WeightsError
from affectzoo.files.fetch import COMMIT, HubFile, fetch
from affectzoo.weights.meta import WeightsMeta

ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True)
class WeightsEntry:
    """A set of weights that the zoo knows by name.

    Attributes:
        name: ``arch.tag``.
        file: The one file inside ``assets/weights`` or, with ``repo_id``, inside that repository.
        sha256: Of the file.
        size: Of the file, bytes.
        parameters: Number of trained values.
        meta: What the weights mean; the file itself says the same.
        repo_id: ``OWNER/NAME`` on the Hub, for weights that are not bundled.
        revision: The commit's 40 hexadecimal digits there.
    """

    name: str
    file: str
    sha256: str
    size: int
    parameters: int
    meta: WeightsMeta
    repo_id: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        if self.repo_id is not None and not COMMIT.fullmatch(self.revision or ""):
            raise WeightsError(f"{self.name}: weights on the Hub need a commit as revision, 40 hex digits")

    @property
    def path(self) -> Path:
        """Where the file is; one on the Hub is fetched at first use, and its sha256 compared."""
        hub_file = self.hub_file
        return ASSETS / "weights" / self.file if hub_file is None else fetch(hub_file)

    @property
    def hub_file(self) -> HubFile | None:
        """The file on the Hub; ``None`` for bundled weights."""
        if self.repo_id is None:
            return None
        return HubFile(self.repo_id, self.file, str(self.revision), self.sha256)


@cache
def entries() -> Mapping[str, WeightsEntry]:
    """All weights that the zoo knows, by name, in alphabetical order."""
    found = {}
    for path in sorted((ASSETS / "weights").glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        meta = WeightsMeta.from_dict(values.pop("meta"), path.name)
        found[path.stem] = WeightsEntry(name=path.stem, meta=meta, **values)
    return MappingProxyType(found)
