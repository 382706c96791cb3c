"""The package's promises about itself: light to import, imports go down only, nothing is missing."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path
from urllib.parse import unquote

import pytest

import affectzoo
from affectzoo.registry import ARCHITECTURES, DATASETS
from affectzoo.store import entries

PACKAGE = Path(affectzoo.__file__).parent
REPOSITORY = PACKAGE.parent

# Each line may import the lines above it and, where it is a package, itself.
LAYERS = (
    ("errors",),
    ("labels", "sample", "console", "processes", "packages"),
    ("registry", "files", "cluster"),
    ("faces", "losses", "plots"),
    ("weights", "metrics"),
    ("store", "tasks", "datasets", "labeltools"),
    ("models", "datamodules"),
    ("modules",),
    ("zoo",),
    ("evaluation",),
    ("export",),
    ("inference", "datatools", "doctor"),
    ("benchmark", "serving"),
    ("leaderboard",),
    ("hub", "training"),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
# Neighbors that must not know each other although one stands lower.
APART = {("models", "datasets"), ("datamodules", "tasks")}


def runtime_imports(path: Path) -> set[str]:
    """Names inside affectzoo that a file imports when it runs, wherever the import stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only or not isinstance(node, ast.ImportFrom):
            continue
        parts = (node.module or "").split(".")
        if parts[0] == "affectzoo":
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in runtime_imports(path) - {"__version__", own}:
        assert RANK[name] < RANK[own], f"{own} may not import {name}"
        assert (own, name) not in APART, f"{own} may not know {name}"


def test_every_module_has_a_layer() -> None:
    listed = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert listed - {"__init__", "__pycache__", "assets", "py.typed"} == set(RANK)


HELP = "from affectzoo.cli import main; main([{}'--help'])"


@pytest.mark.parametrize(
    "code", ["import affectzoo", *map(HELP.format, ("", "'predict', ", "'serve', ", "'app', "))]
)
def test_start_is_light(code: str) -> None:
    heavy = [
        "torch",
        "lightning",
        "fastapi",
        "gradio",
        "timm",
        "albumentations",
        "cv2",
        "pandas",
        "matplotlib",
    ]
    script = f"""
import atexit, sys
atexit.register(lambda: print("LOADED", sorted(set({heavy}) & set(sys.modules))))
{code}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"


INFERENCE = f"""
model = affectzoo.load("dlp_cnn_s.ferplus")
affectzoo.predict([numpy.zeros((48, 48, 3), numpy.uint8)], model=model, detector="none")
---
torch.hub.load({str(REPOSITORY)!r}, "dlp_cnn_s", weights="ferplus", source="local")
---
assert main(["predict", {str(PACKAGE / "assets" / "demo" / "astronaut.jpg")!r}]) == 0
"""
"""Ways to predict, run in one process, one after the other."""

HEAVY = set(
    "lightning torchmetrics matplotlib albumentations timm huggingface_hub scipy pandas pydantic "
    "jsonargparse yaml sklearn torchvision sympy torch._dynamo av".split()
)
"""What none of them may load."""


def test_inference_is_light() -> None:
    script = "import sys, torch, cv2, numpy\nneeded = set(sys.modules)\nimport affectzoo\n"
    script += "from affectzoo.cli import main\n"
    for way in INFERENCE.split("---"):
        script += f"{way}\nprint('LOADED', sorted({HEAVY} & (set(sys.modules) - needed)))\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("LOADED")] == ["LOADED []"] * 3


def test_public_names_exist() -> None:
    assert all(callable(getattr(affectzoo, name)) for name in affectzoo.__all__)
    assert set(affectzoo.__all__) <= set(dir(affectzoo))
    with pytest.raises(AttributeError, match="no_such"):
        _ = affectzoo.no_such


def test_every_data_set_has_a_recipe_and_a_row_in_the_documentation() -> None:
    page = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
    recipes = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "recipes").rglob("*.yaml")]
    for entry in DATASETS.values():
        module = entry.target.replace(":", ".")
        assert f"`{module}` | {entry.access} |" in page, entry.name
        assert any(f"class_path: {module}\n" in text for text in recipes), entry.name


def test_every_architecture_and_all_weights_are_listed() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    models = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
    for name in (*ARCHITECTURES, *entries()):
        assert f"`{name}`" in models
    for card in (REPOSITORY / "model_cards").glob("*.md"):
        assert f"[`{card.stem}`](../model_cards/{card.name})" in models
    for name, entry in entries().items():
        for m in entry.meta.metrics:
            if "ccc_valence" in m or "ccc_arousal" in m:
                both = [m.get(key) for key in ("ccc_valence", "ccc_arousal")]
                figures = " | ".join("-" if value is None else f"{value:.4f}" for value in both)
                assert f"{m['faces']:,} faces | {figures} |" in readme, name


def test_links_of_the_documentation_lead_somewhere() -> None:
    for page in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / unquote(link)).exists(), f"{page.name}: {link}"


def test_the_way_of_an_image_is_as_it_is_written_down() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    stations = re.findall(r"^\| \d+ \| `([\w.]+)` \|", page, re.MULTILINE)
    assert 10 <= len(stations) <= 15
    for station in stations:
        module, *names = re.split(r"\.(?=[A-Z]|[a-z_]+$)", station, maxsplit=1)
        loaded = importlib.import_module(f"affectzoo.{module}")
        assert callable(reduce(getattr, names[0].split("."), loaded)), station
