"""A model's published form: written step by step, each with its check, and kept only if all pass."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from affectzoo import __version__, store, weights
from affectzoo.errors import AffectZooError
from affectzoo.evaluation.record import Identity
from affectzoo.files.folders import user_path
from affectzoo.files.text import parse_yaml, read_text
from affectzoo.hub.cards import card
from affectzoo.hub.cards.facts import CardFacts
from affectzoo.hub.cards.files import kept_records
from affectzoo.hub.cards.metadata import LICENSES
from affectzoo.hub.cards.prose import read_prose
from affectzoo.hub.privacy import own_names, public_recipe, public_training, traces
from affectzoo.hub.public_records import published_records, record_path
from affectzoo.hub.publishing.face import show_golden
from affectzoo.hub.publishing.files import (
    CARD_NAME,
    RECIPE_NAME,
    new_folder,
    own_files,
    size,
    write_json,
)
from affectzoo.zoo import golden
from affectzoo.zoo.sealing import copy_sealed, load_tested

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel

_SHOWN = 8
"""Faults of one kind that are listed."""


@dataclass(frozen=True)
class Check:
    """Something that was looked at before publishing.

    Attributes:
        name: What.
        told: What was found or, where it failed, what is wrong and what to do.
        passed: Whether all is well.
    """

    name: str
    told: str
    passed: bool = True


@dataclass(frozen=True)
class Built:
    """A folder in the published form.

    Attributes:
        folder: Where it is.
        name: Of the weights.
        meta: What they say of themselves.
        checks: All passed.
    """

    folder: Path
    name: str
    meta: weights.WeightsMeta
    checks: tuple[Check, ...]


def build(
    model: str | Path,
    folder: Path,
    *,
    repo: str,
    records: Sequence[Path] = (),
    license: Mapping[str, str] | None = None,
    half: bool = True,
) -> Built:
    """Write a model's published form; the folder is there only when all checks have passed.

    Args:
        model: What ``affectzoo.load`` takes: a run, a file, a name.
        folder: Where to; a new or an empty one, or an older build, which is replaced. What people wrote in
            its card is kept; else what they wrote in a card beside the weights.
        repo: ``OWNER/NAME`` on the Hub, which card and records name.
        records: Records of a benchmark of these weights, or folders of benchmarks that have some.
        license: Terms by subject, such as weights, beside or instead of those that the weights name.
        half: Store floating tensors as float16.

    Raises:
        WeightsError: There are no such weights, or they are damaged.
        AffectZooError: Checks failed, all of which are listed; or the folder holds something else.
    """
    folder = user_path(folder)
    if folder.exists():
        own_files(folder)
    draft = _Draft(model, folder, repo, records, license or {}, half)
    with new_folder(folder) as place:
        checks = draft.write(place)
        failed = [f"{check.name}: {check.told}" for check in checks if not check.passed]
        if failed:
            lines = "\n  ".join(failed)
            raise AffectZooError(
                f"{model}: not to be published, {len(failed)} of {len(checks)} checks failed:\n  {lines}"
            )
    return Built(folder, draft.name, draft.meta, checks)


class _Draft:
    """A model while its folder is being written, one step after the other."""

    place: Path
    model: AffectModel

    def __init__(
        self,
        model: str | Path,
        folder: Path,
        repo: str,
        given: Sequence[Path],
        license: Mapping[str, str],
        half: bool,
    ) -> None:
        location = store.locate(model)
        store.verify(location)
        self.source = location.path
        self.beside = location.path.parent
        self.tensors = dict(sorted(weights.read_tensors(self.source).items()))
        meta = weights.read_meta(self.source)
        self.identity = Identity.read(self.source)
        training = replace(meta.training, notes=public_training(meta.training.notes))
        self.meta = replace(meta, license={**meta.license, **license}, training=training)
        self.name = str(model) if str(model) in store.entries() else repo.rpartition("/")[2]
        self.repo = repo
        self.given = [*given, *kept_records(str(model))]
        self.half = half
        self.records: list[dict[str, Any]] = []
        old = next((p for p in (folder / CARD_NAME, self.beside / CARD_NAME) if p.is_file()), None)
        self.prose = {} if old is None else read_prose(read_text(old), str(old))

    def write(self, place: Path) -> tuple[Check, ...]:
        """Take all steps; the last ones need sound weights and are excluded where these are not.

        Args:
            place: An empty folder.
        """
        self.place = place
        steps: dict[str, Callable[[], str]] = {
            "repository": self._repository,
            "licenses": self._licenses,
            "records": self._take_records,
            "metrics": self._metrics,
            "recipe": self._recipe,
            "weights": self._weights,
            "fresh load": self._fresh_load,
            "card": self._card,
            "nothing private": self._nothing_private,
        }
        checks: list[Check] = []
        for name, step in steps.items():
            try:
                checks.append(Check(name, step()))
            except AffectZooError as error:
                checks.append(Check(name, str(error).replace(f"{place}/", ""), passed=False))
                if name in ("weights", "fresh load"):
                    break
        return tuple(checks)

    def _repository(self) -> str:
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils._validators import validate_repo_id

        try:
            validate_repo_id(self.repo)
        except HFValidationError as error:
            raise AffectZooError(str(error)) from None
        if "/" not in self.repo:
            raise AffectZooError(f"'{self.repo}' has no owner: expected OWNER/NAME")
        return self.repo

    def _licenses(self) -> str:
        known = weights.license_terms(self.meta.license)
        self.meta = replace(self.meta, license=known)
        optional = set() if self.meta.training.started_from else {"starting weights"}
        lacking = [
            name for name in weights.SUBJECTS if not known.get(name, "").strip() and name not in optional
        ]
        if lacking:
            raise AffectZooError(
                f"no terms of {', '.join(lacking)}: name them, such as "
                "--license weights=Apache-2.0 'images=for non-commercial research'"
            )
        return "; ".join(f"{name}: {known[name]}" for name in weights.SUBJECTS if name in known)

    def _take_records(self) -> str:
        """Write the records of these weights."""
        passed_over: list[str] = []
        self.records = published_records(
            self.beside, self.given, self.identity, name=self.name, repo=self.repo, say=passed_over.append
        )
        for record in self.records:
            write_json(self.place / record_path(record), record)
        return "; ".join([", ".join(record["key"] for record in self.records) or "none", *passed_over])

    def _metrics(self) -> str:
        told = []
        for record in self.records:
            note = record["protocol"].get("note")
            told.append(
                f"{record['protocol']['title']}, {record['faces']['total']} faces"
                + (f" ({note})" if note else "")
            )
        if not told:
            raise AffectZooError(f"nothing was measured: {self._how_to_measure()}")
        return "; ".join(told)

    def _how_to_measure(self) -> str:
        """Name the command whose record lands where it is looked for."""
        given = "give records of affectzoo benchmark with --record"
        config = self.beside / "config.yaml"
        if not config.is_file():
            return given
        words = ["affectzoo", "test", "--config", str(config), "--model.weights", str(self.beside)]
        words += ["--model.new_head", "false", "--run_dir", str(self.beside)]
        return (
            f"test the run: {shlex.join(words)} (--data.test_split valid measures another part); or {given}"
        )

    def _recipe(self) -> str:
        found = [path for name in ("config.yaml", RECIPE_NAME) if (path := self.beside / name).is_file()]
        if not found:
            return "none beside the weights"
        recipe = public_recipe(parse_yaml(read_text(found[0]), str(found[0])))
        head = f"# affectzoo fit --config {RECIPE_NAME} --data.root DIR\n"
        text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=100)
        (self.place / RECIPE_NAME).write_text(head + text, encoding="utf-8")
        return f"{found[0].name} without its places"

    def _weights(self) -> str:
        path = self.place / weights.FILE_NAME
        copy_sealed(self.source, path, self.meta, half=self.half)
        kind = "float16" if self.half else "float32"
        return f"{len(self.tensors)} tensors, finite as {kind}, {size(path)}"

    def _fresh_load(self) -> str:
        """Load the folder, which refuses tensors of anything else and tests the golden face."""
        path = self.place / weights.FILE_NAME
        self.model = load_tested(path)
        stored = weights.read_golden(path)
        extra = sorted(set(stored) - set(golden.make(self.model)))
        if extra:
            raise AffectZooError(f"tensors that are neither weights nor golden face: {', '.join(extra[:3])}")
        show_golden(self.place, self.model, stored)
        return f"the golden face's answers are the file's, within {golden.TOLERANCE}"

    def _card(self) -> str:
        path = self.place / weights.FILE_NAME
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        versions = {store.LIBRARY: __version__, "torch": str(torch.__version__)}
        recipe = RECIPE_NAME if (self.place / RECIPE_NAME).is_file() else None
        config = store.config_of(
            self.meta,
            path,
            tensors_sha256=self.identity.tensors,
            parameters=parameters,
            versions=versions,
            recipe=recipe,
            records=sorted(map(record_path, self.records)),
        )
        write_json(self.place / store.CONFIG_NAME, config)
        facts = CardFacts(
            name=self.name,
            repo=self.repo,
            sha256=config["sha256"],
            parameters=parameters,
            size=path.stat().st_size,
            records=self.records,
            prose=self.prose,
            versions=versions,
            recipe=recipe,
        )
        text = card.render(self.meta, facts)
        (self.place / CARD_NAME).write_text(text, encoding="utf-8")
        return _check_card(text)

    def _nothing_private(self) -> str:
        names = own_names(self.repo)
        files = {name: path for name, path in own_files(self.place).items() if path.suffix != ".png"}
        found = [f"{name}, {trace}" for name, path in files.items() for trace in traces(path, names)]
        if found:
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise AffectZooError("; ".join(found[:_SHOWN]) + more)
        return f"no path, user or host name in {len(files)} files"


def _check_card(text: str) -> str:
    """The license of a card.

    Raises:
        AffectZooError: The Hub would refuse its metadata.
    """
    from huggingface_hub import ModelCard

    try:
        data = vars(ModelCard(text).data)
    except (ValueError, yaml.YAMLError) as error:
        raise AffectZooError(f"its metadata is wrong: {error}") from None
    license, named = data.get("license"), data.get("license_name")
    if license == "other" and named:
        return f"license other: {named}"
    if license not in LICENSES:
        raise AffectZooError(f"license '{license}' is none of the Hub's: {', '.join(LICENSES)}")
    return f"license {license}"
