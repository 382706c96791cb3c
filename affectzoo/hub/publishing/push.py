"""Publish a model that is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.hub.publishing.build import build
from affectzoo.hub.publishing.upload import check_tag, publish
from affectzoo.zoo.saving import save_pretrained

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel


def push_to_hub(
    model: AffectModel,
    repo_id: str,
    *,
    commit_message: str | None = None,
    private: bool = False,
    tag: str | None = None,
    records: Sequence[str | Path] = (),
    license: Mapping[str, str] | None = None,
    half: bool = False,
) -> str:
    """Publish a model on the Hub, as ``affectzoo publish`` does: with card and records, after its checks.

    Args:
        model: What to publish.
        repo_id: ``OWNER/NAME``; made where it is not there.
        commit_message: By default it names affectzoo.
        private: Make the repository for its owner alone.
        tag: A name for the commit.
        records: Records of these weights, or folders of runs and benchmarks that have some.
        license: Terms by subject (weights, code, images, labels), beside those that the weights name.
        half: Store floating values as float16, half as large and rounded.

    Returns:
        The commit's address.

    Raises:
        AffectZooError: A check failed, such as that something was measured and all terms are named; or the
            Hub cannot be reached or refuses.
    """
    check_tag(tag)
    with tempfile.TemporaryDirectory() as temporary:
        saved = save_pretrained(model, Path(temporary) / repo_id.rpartition("/")[2], half=half)
        built = build(
            saved,
            Path(temporary) / "published",
            repo=repo_id,
            records=list(map(Path, records)),
            license=license,
            half=half,
        )
        done = publish(built.folder, repo_id, tag=tag, private=private, message=commit_message)
    return done.address
