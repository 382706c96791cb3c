"""Which packages affectzoo needs, and what it says where one is missing."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from affectzoo import packages
from affectzoo.errors import MissingPackageError
from affectzoo.packages import installed, need, requirements


def test_what_is_not_installed_is_named() -> None:
    need("text", "serve", "json")
    with pytest.raises(MissingPackageError, match=r'no_such: pip install "affectzoo\[serve\]"'):
        need("text", "serve", "json", "no_such")
    assert installed("no-such") is None and installed("numpy") == metadata.version("numpy")


def test_a_checkout_says_what_it_needs() -> None:
    found = requirements()
    assert {"torch", "lightning"} <= {needed.name for needed in found[""]}
    assert found["app"][0].name == "av"  # of the extra video, which app names


def test_an_installation_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\n")  # such litter is in site-packages
    monkeypatch.setattr(packages, "_PYPROJECT", tmp_path / "pyproject.toml")
    folder = tmp_path / "affectzoo-9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: affectzoo\nVersion: 9\nProvides-Extra: video\nProvides-Extra: app\n"
        "Requires-Dist: torch>=2\nRequires-Dist: never; python_version < '3'\n"
        "Requires-Dist: av>=18; extra == 'video'\nRequires-Dist: affectzoo[video]; extra == 'app'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert requirements() == {
        "": [Requirement("torch>=2")],
        "video": [Requirement("av>=18; extra == 'video'")],
        "app": [Requirement("av>=18; extra == 'video'")],
    }
