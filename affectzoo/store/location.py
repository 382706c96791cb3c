"""From the name or path that users type to a weights file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectzoo.errors import UnknownNameError, WeightsError
from affectzoo.files.fetch import sha256
from affectzoo.registry import ARCHITECTURES
from affectzoo.store.entry import entries
from affectzoo.store.hub import HUB, from_hub
from affectzoo.weights.parts import FILE_NAME, INDEX_NAME, files, is_index


@dataclass(frozen=True)
class Location:
    """A weights file or index and, where that is still to be compared, the sha256 it must have."""

    path: Path
    sha256: str | None = None


def locate(name: str | Path, arch: str | None = None) -> Location:
    """Find the weights file behind what users type.

    Args:
        name: ``arch.tag``; a tag alone when ``arch`` is given; ``hf-hub:OWNER/NAME[@REVISION]``; a
            ``.safetensors`` file; or a folder that holds ``model.safetensors`` or an index, such as a run.
        arch: The architecture, where it is known already.

    Raises:
        WeightsError: A file or folder without weights; weights that the Hub does not give.
        UnknownNameError: Neither a name of the zoo nor an existing path.
    """
    if str(name).startswith(HUB):
        return Location(from_hub(str(name)))
    known = entries()
    entry = known.get(f"{arch}.{name}") or known.get(str(name))
    path = Path(name).expanduser()
    if entry is not None:
        return Location(entry.path, entry.sha256 if entry.repo_id is None else None)
    if path.is_dir():
        for file in (FILE_NAME, INDEX_NAME):
            if (path / file).is_file():
                return Location(path / file)
        raise WeightsError(
            f"{path}: the folder holds no {FILE_NAME}. A run has one once its training has ended; "
            "an unfinished run goes on with: affectzoo fit --config ... --ckpt_path "
            f"{path / 'checkpoints' / 'last.ckpt'}"
        )
    if path.is_file():
        if path.suffix != ".safetensors" and not is_index(path):
            raise WeightsError(f"{path}: only .safetensors files are read, never pickled ones")
        return Location(path)
    if str(name) in ARCHITECTURES:
        have = [tag for tag in known if tag.startswith(f"{name}.")]
        raise WeightsError(
            f"'{name}' is an architecture; its pretrained weights: {', '.join(have) or 'none yet'}. "
            f"Untrained: affectzoo.create_model('{name}', labels=...)"
        )
    raise UnknownNameError(
        "model", str(name), known, f"(or {HUB}OWNER/NAME, or a folder or file that exists)"
    )


def verify(location: Location) -> None:
    """Compare a file's sha256 with the one the zoo knows, if it knows one.

    Raises:
        WeightsError: The file, or one that an index names, is missing or another one; says both sums.
    """
    if not location.path.is_file():
        raise WeightsError(f"{location.path}: the weights file is missing; reinstall affectzoo")
    files(location.path)
    if location.sha256 is None:
        return
    found = sha256(location.path)
    if found != location.sha256:
        raise WeightsError(
            f"{location.path}: not the published weights: sha256 is {found}, expected "
            f"{location.sha256}. The file was altered or damaged; reinstall affectzoo"
        )
