"""What an import found, and the file that is written when all is in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import torch

from affectzoo import weights
from affectzoo.errors import WeightsError
from affectzoo.files.folders import user_path
from affectzoo.weights import WeightsMeta
from affectzoo.zoo.importing.placing import Pair
from affectzoo.zoo.loading import seal

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel


@dataclass(frozen=True)
class ImportReport:
    """What an import found.

    Attributes:
        source: The checkpoint.
        meta: What the imported weights say of themselves.
        mapped: Every tensor that fits its place.
        missing: The network's tensors that the checkpoint has not, with shapes.
        unexpected: The checkpoint's tensors that have no place, with shapes.
        misshapen: Tensors whose place has another shape.
        left_out: What the checkpoint holds beside the network, and what the mapping leaves out.
        notes: What was assumed, in sentences.
        model: With the imported weights, in evaluation mode; ``None`` unless all is in its place.
    """

    source: Path
    meta: WeightsMeta
    mapped: tuple[Pair, ...]
    missing: Mapping[str, tuple[int, ...]]
    unexpected: Mapping[str, tuple[int, ...]]
    misshapen: tuple[Pair, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    model: AffectModel | None = None

    @property
    def faults(self) -> list[str]:
        """What does not fit, a line each; none when the import is complete."""
        found = [
            f"wrong shape: {pair.old} is {pair.shape}, {pair.new} is {pair.expected}"
            + (f": {pair.shape[0]} outputs for {len(self.meta.labels)} labels" if pair.counts_labels else "")
            for pair in self.misshapen
        ]
        found += [f"missing: {name} {shape}" for name, shape in self.missing.items()]
        return found + [f"unexpected: {name} {shape}" for name, shape in self.unexpected.items()]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        plain: dict[str, Any] = {
            "source": self.source.name,
            "complete": self.model is not None,
            "mapped": [asdict(pair) for pair in self.mapped],
            "missing": dict(self.missing),
            "unexpected": dict(self.unexpected),
            "misshapen": [asdict(pair) for pair in self.misshapen],
            "left_out": self.left_out,
            "notes": self.notes,
            "meta": self.meta.to_dict(),
        }
        return cast(dict[str, Any], json.loads(json.dumps(plain)))

    def write(self, out: str | Path) -> Path:
        """Write the imported weights, sealed with a golden face.

        Values are kept: as float16 where they all are float16 values, else as float32.

        Args:
            out: ``*.safetensors``; an older file of affectzoo's is replaced, no other.

        Returns:
            ``out``.

        Raises:
            WeightsError: The import is not complete, or ``out`` is not to be written.
        """
        out = check_out(out)
        state = self.complete_model().network_state()
        values = [tensor for tensor in state.values() if tensor.is_floating_point()]
        half = all(torch.equal(tensor.half().float(), tensor) for tensor in values)
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=".import-") as folder:
            part = Path(folder) / out.name
            weights.write(part, state, self.meta, half=half)
            seal(part)
            part.replace(out)
        return out

    def complete_model(self) -> AffectModel:
        """The model with the imported weights, in evaluation mode.

        Raises:
            WeightsError: Something does not fit.
        """
        if self.model is not None:
            return self.model
        counts = {"missing": self.missing, "unexpected": self.unexpected, "of wrong shape": self.misshapen}
        told = ", ".join(f"{len(found)} {kind}" for kind, found in counts.items() if found)
        total = len(self.mapped) + len(self.missing) + len(self.misshapen)
        raise WeightsError(
            f"{self.source}: not imported: {len(self.mapped)} of {self.meta.arch}'s {total} tensors fit, "
            f"{told}. Name places with --map OLD=NEW, leave tensors out with --map OLD=-, or say how the "
            "network was built with --arch and --set; nothing was written"
        )


def check_out(out: str | Path) -> Path:
    """A path to write weights to.

    Raises:
        WeightsError: It is no ``.safetensors`` name, or there is a file that affectzoo did not write, or that
            is a run's.
    """
    out = user_path(out)
    if out.suffix != ".safetensors":
        raise WeightsError(f"{out}: weights are written as .safetensors; call the file model.safetensors")
    if out.exists():
        try:
            weights.read_meta(out)
        except WeightsError:
            raise WeightsError(
                f"{out}: exists, and affectzoo did not write it; choose another name, or move it away"
            ) from None
        if out.name == weights.FILE_NAME and out.with_name("config.yaml").is_file():
            raise WeightsError(f"{out}: is what a run was for, and is not replaced; choose another name")
    return out
