"""The documentation as a site: it builds without a warning and asks nothing of other places."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("material", "mkdocs", "mkdocstrings_handlers.python"):
    pytest.importorskip(package, reason='needs the extra docs: pip install -e ".[docs]"')
pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[1]
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preconnect|preload|icon))[^>]*\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|url\(["']?((?:https?:)?//[^"')]+)|@import\s+["']((?:https?:)?//[^"']+)"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; any warning fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_pages_are_there(site: Path) -> None:
    for name in (
        "index",
        "docs/predict/index",
        "model_cards/dlp_cnn_s.ferplus/index",
        "docs/leaderboard/leaderboard",
    ):
        assert (site / f"{name}.html").is_file()
    leaderboard = (site / "docs" / "leaderboard" / "leaderboard.html").read_text(encoding="utf-8")
    assert '<a href="../../index.html">' in leaderboard
    assert (site / "docs" / "leaderboard" / "details").is_dir()
    assert 'id="affectzoo.load"' in (site / "docs" / "api" / "index.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in (*site.rglob("*.html"), *site.rglob("*.css")):
        assert not LOADED.findall(path.read_text(encoding="utf-8")), path.relative_to(site)
