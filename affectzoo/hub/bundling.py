"""Bundle a run's weights with the package, for maintainers.

    python -m affectzoo.hub.bundling RUN ARCH.TAG --record RUN/records/KEY.json --recipe recipes/...
        --license weights="..." images="..." labels="..."

Writes ``assets/weights/<arch>.<tag>.safetensors`` and the entry ``.json`` beside it, which says the same.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from affectzoo import store, weights
from affectzoo.errors import AffectZooError, WeightsError
from affectzoo.evaluation.record import Identity, claim, misfit, read_record
from affectzoo.files import fetch
from affectzoo.hub.publishing.command import terms
from affectzoo.zoo.loading import load
from affectzoo.zoo.sealing import copy_sealed

LIMIT = 25 * 10**6
"""Largest file that is bundled, bytes."""


def bundle(
    run: Path, name: str, records: Sequence[Mapping[str, Any]], recipe: str, license: Mapping[str, str]
) -> store.WeightsEntry:
    """Copy a run's weights into the package, with what was measured and the licenses.

    Args:
        run: Folder of a finished run, or its weights file.
        name: ``arch.tag``.
        records: Of these weights, as ``affectzoo test``, ``validate`` or ``benchmark`` write them.
        recipe: The recipe it was trained by.
        license: Terms by subject: weights, code, images, labels.

    Raises:
        WeightsError: The name does not fit, no record is of these weights, or the file is too large.
    """
    location = store.locate(run)
    store.verify(location)
    meta = weights.read_meta(location.path)
    terms = {**meta.license, **weights.license_terms(license)}
    if name.partition(".")[0] != meta.arch or not name.partition(".")[2]:
        raise WeightsError(f"'{name}' is no name for weights of {meta.arch}: expected {meta.arch}.TAG")
    needed = ["weights", "images", "labels", *(["starting weights"] if meta.training.started_from else [])]
    if not records or not set(needed) <= set(terms):
        raise WeightsError(f"{name}: bundled weights need records, and licenses of {', '.join(needed)}")
    identity = Identity.read(location.path)
    for record in records:
        if (reason := misfit(record, identity)) is not None:
            raise WeightsError(f"{name}: no record of these weights: {reason}")
    meta = replace(
        meta,
        training=replace(meta.training, recipe=recipe),
        metrics=tuple(map(claim, records)),
        license=terms,
    )
    target = store.ASSETS / "weights" / f"{name}.safetensors"
    copy_sealed(location.path, target, meta)
    size = target.stat().st_size
    if size > LIMIT:
        target.unlink()
        raise WeightsError(f"{name}: {size / 2**20:.1f} MiB, but at most {LIMIT / 2**20:.1f} are bundled")
    entry = {
        "file": target.name,
        "sha256": fetch.sha256(target),
        "size": size,
        "parameters": sum(p.numel() for p in load(target).parameters()),
        "meta": meta.to_dict(),
    }
    target.with_suffix(".json").write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
    store.entries.cache_clear()
    return store.entries()[name]


def main() -> None:
    """Read the command line and bundle."""
    parser = argparse.ArgumentParser(description="Bundle a run's weights with the package.")
    parser.add_argument("run", type=Path)
    parser.add_argument("name", help="arch.tag")
    parser.add_argument("--record", type=Path, nargs="+", required=True, help="records of the run")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--license", nargs="+", required=True, metavar="SUBJECT=TERMS")
    args = parser.parse_args()
    try:
        records = [read_record(path) for path in args.record]
        entry = bundle(args.run, args.name, records, args.recipe, dict(map(terms, args.license)))
    except AffectZooError as error:
        parser.error(str(error))
    print(f"{entry.path} {entry.size:,} bytes sha256 {entry.sha256}")


if __name__ == "__main__":
    main()
