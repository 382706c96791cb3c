"""Each set of bundled weights is published as it is, and again without a commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.hub import FakeHub, User
from huggingface_hub import ModelCard

from affectzoo import list_models
from affectzoo.cli import main

TOKEN = "hf_write"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.tokens[TOKEN] = User("ada", orgs=("lab",))
        hub.environment(monkeypatch, tmp_path / "home", TOKEN)
        yield hub


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models(pretrained=True))
def test_bundled_weights_are_published_once(
    name: str, hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = f"lab/{name}"
    command = ["publish", name, "--repo", repo, "--license", "code=Apache-2.0"]
    assert main([*command, "--out", str(tmp_path / "kept")]) == 0
    commits = len(hub.repos[repo].commits)
    assert main(command) == 0
    assert len(hub.repos[repo].commits) == commits
    assert "nothing has changed, no new commit" in capsys.readouterr().out
    card = ModelCard.load(tmp_path / "kept" / "README.md").data  # parsed as the Hub does
    assert card.library_name == "affectzoo" and card.license and card.tags and card.eval_results
    assert card.pipeline_tag in ("image-classification", "keypoint-detection", None)
