"""What stands around the code: workflow, forms, citation, pages for contributors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import affectzoo
from affectzoo.cli import training
from affectzoo.cli.parser import COMMANDS
from affectzoo.files.text import parse_yaml
from affectzoo.registry import ARCHITECTURES
from affectzoo.store import entries

REPOSITORY = Path(affectzoo.__file__).parents[1]
FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "docs/roadmap.md", "docs/troubleshooting.md")


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["project"]
    return found


def test_the_workflow_runs_what_contributors_run() -> None:
    workflow: Any = parse_yaml(read(".github/workflows/tests.yaml"), "tests.yaml")
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"] == {
        "system": ["ubuntu-latest", "macos-latest"],
        "dependencies": ["newest", "oldest"],
    }
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert ".ci/run" in steps and ".venv/bin/affectzoo doctor" in steps
    oldest = project()["requires-python"].removeprefix(">=")
    pinned = f"--resolution lowest-direct --extra test --python-version {oldest} pyproject.toml"
    assert any(pinned in step for step in steps) and pinned in read("CONTRIBUTING.md")
    assert f"'{oldest}'" in job["steps"][1]["with"]["python-version"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_are_as_github_reads_them(path: Path) -> None:
    form: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert all(set(link) == {"name", "url", "about"} for link in form["contact_links"])
        return
    assert {"name", "description", "body"} <= set(form)
    fields = form["body"]
    assert len({field["id"] for field in fields}) == len(fields)
    for field in fields:
        assert field["type"] in ("input", "textarea", "checkboxes") and field["attributes"]["label"]


def test_forms_ask_for_what_is_needed() -> None:
    assert [path.stem for path in FORMS] == ["bug", "config", "dataset", "weights"]
    bug, _, data, weights = (path.read_text(encoding="utf-8") for path in FORMS)
    assert "affectzoo doctor --json" in bug
    for word in ("id: license", "id: data", "id: protocol"):
        assert word in weights
    assert "id: license" in data and "id: layout" in data


def test_the_citation_is_of_this_version() -> None:
    citation: Any = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["message"] and citation["title"] == project()["name"]
    assert all(set(author) == {"name"} for author in citation["authors"]) and citation["authors"]
    assert str(citation["version"]) == affectzoo.__version__
    assert citation["license"] == project()["license"]
    known = {"abstract", "keywords", "repository-code", "type", "version", "license"}
    assert set(citation) - known == {"cff-version", "message", "title", "authors"}  # all others are required


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_what_there_is(page: str) -> None:
    text = read(page)
    known = {add.__name__.removeprefix("add_") for add in COMMANDS} | set(training.COMMANDS)
    for command in re.findall(r"(?:`|^)affectzoo ([a-z]+)", text, re.MULTILINE):
        assert command in known, command
    for path in re.findall(r"`((?:affectzoo|tests|docs|recipes|benchmarks)/[\w./]+)`", text):
        assert (REPOSITORY / path).exists(), path


def test_the_roadmap_lists_the_architectures_without_weights() -> None:
    (listed,) = re.findall(r"^- No weights yet: (.*?)\. ", read("docs/roadmap.md"), re.MULTILINE | re.DOTALL)
    have = {entry.meta.arch for entry in entries().values()}
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(set(ARCHITECTURES) - have)
