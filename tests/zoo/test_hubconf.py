"""torch.hub, from the archive that GitHub serves to a model that predicts, in a process without affectzoo."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import affectzoo
from affectzoo import store
from affectzoo.errors import WeightsError
from affectzoo.registry import ARCHITECTURES

REPOSITORY = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"

SCRIPT = """
import builtins, email.message, importlib.machinery, io, json, shutil, sys
from pathlib import Path

archive, home, commit = sys.argv[1:]
facts = {"asked": [], "fetched": []}


class OnlyFromHub:  # affectzoo may be installed: that one is not to be found
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "affectzoo":
            return None
        places = [place for place in sys.path if place.startswith(home)]
        spec = importlib.machinery.PathFinder.find_spec(name, places)
        if spec is None:
            raise ModuleNotFoundError("affectzoo is not installed here")
        return spec


sys.meta_path.insert(0, OnlyFromHub)
try:
    import affectzoo
except ModuleNotFoundError:
    facts["installed"] = False

imported, real = set(), builtins.__import__


def watched(name, globals=None, locals=None, fromlist=(), level=0):
    top, importer = name.partition(".")[0], str((globals or {}).get("__name__")).partition(".")[0]
    if level == 0 and importer in ("affectzoo", "hubconf"):
        if top not in ("affectzoo", *sys.stdlib_module_names):
            imported.add(top)
    return real(name, globals, locals, fromlist, level)


builtins.__import__ = watched

import numpy as np
import torch


class Answer(io.BytesIO):
    headers = email.message.Message()


def urlopen(request):
    url = getattr(request, "full_url", request)
    facts["asked"].append(url.partition("?")[0])
    ref = {"branches": "main", "tags": "v1.0"}.get(facts["asked"][-1].rpartition("/")[2])
    found = [{"name": ref, "commit": {"sha": commit}}] if url.endswith("page=1") else []
    return Answer(json.dumps(found).encode())


def download(url, place, progress=True):
    facts["fetched"].append(url)
    shutil.copy(archive, place)


def unpickle(*args, **kwargs):
    raise AssertionError("something was unpickled")


torch.hub.urlopen, torch.hub.download_url_to_file, torch.load = urlopen, download, unpickle
NAME = "OWNER/affectzoo"

try:
    torch.hub.load(NAME, "dlp_cnn_s", weights="ferplus")
except EOFError:  # it asks, and nobody answers
    facts["untrusted"] = len(facts["fetched"])

model = torch.hub.load(NAME, "dlp_cnn_s", weights="ferplus", trust_repo=True)
torch.manual_seed(0)
with torch.no_grad():
    facts["scores"] = model(torch.randn(2, 1, 48, 48)).expression.tolist()
facts["labels"] = model.labels.names

from affectzoo.inference.prediction import predict

face = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)
facts["predicted"] = predict([face], model=model, detector="none")[0].probabilities
facts["place"] = str(Path(sys.modules["affectzoo"].__file__).relative_to(home))
facts["listed"] = torch.hub.list(NAME)
facts["help"] = torch.hub.help(NAME, "dlp_cnn_s")
from affectzoo.models.skeleton import skeleton

with skeleton():
    given = {name: {} if name == "landmarks_s" else {"num_classes": 3} for name in facts["listed"]}
    built = {name: torch.hub.load(NAME, name, **options) for name, options in given.items()}
facts["built"] = {name: model.arch for name, model in built.items()}
facts["once"] = list(facts["fetched"])
facts["asked"].clear()
torch.hub.load(NAME + ":v1.0", "dlp_cnn_s", weights="ferplus")
torch.hub.load(NAME + ":v1.0", "dlp_cnn_s", weights="ferplus", force_reload=True)
facts["folders"] = sorted(path.name for path in Path(home, "hub").iterdir())
facts["imported"] = sorted(imported)
Path(home, "facts.json").write_text(json.dumps(facts))
"""


def pack(path: Path) -> Path:
    """What GitHub serves of the repository: everything below one folder, which comes first."""
    top = f"OWNER-affectzoo-{COMMIT[:7]}"
    own = [REPOSITORY / "hubconf.py", REPOSITORY / "LICENSE", REPOSITORY / "README.md"]
    own += [p for p in sorted((REPOSITORY / "affectzoo").rglob("*")) if "__pycache__" not in p.parts]
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir(top)
        for source in own:
            archive.write(source, f"{top}/{source.relative_to(REPOSITORY)}")
    return path


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process saw that has the dependencies installed, but no affectzoo."""
    folder = tmp_path_factory.mktemp("hub")
    home = folder / "torch"
    home.mkdir()
    archive = pack(folder / "archive.zip")
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, str(archive), str(home), COMMIT],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "", "HOME": str(folder), "TORCH_HOME": str(home)},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((home / "facts.json").read_text())
    return found


def test_the_model_is_that_of_load(facts: dict[str, Any]) -> None:
    assert facts["installed"] is False
    assert facts["place"] == "hub/OWNER_affectzoo_main/affectzoo/__init__.py"
    model = affectzoo.load("dlp_cnn_s.ferplus")
    assert model.labels is not None
    assert tuple(facts["labels"]) == model.labels.names
    torch.manual_seed(0)
    with torch.no_grad():
        expected = model(torch.randn(2, 1, 48, 48)).expression
    assert expected is not None
    assert torch.allclose(torch.tensor(facts["scores"]), expected, atol=1e-5)
    face = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)
    told = affectzoo.predict([face], model=model, detector="none")[0].probabilities
    assert facts["predicted"] == pytest.approx(told, abs=1e-5)


def test_every_architecture_and_nothing_else_is_listed(facts: dict[str, Any]) -> None:
    assert facts["listed"] == sorted(ARCHITECTURES)
    assert facts["built"] == {name: name for name in ARCHITECTURES}
    assert ARCHITECTURES["dlp_cnn_s"].summary in facts["help"]
    assert ARCHITECTURES["dlp_cnn_s"].source in facts["help"]


def test_what_is_asked_and_kept(facts: dict[str, Any]) -> None:
    site = "https://github.com/OWNER/affectzoo"
    assert facts["untrusted"] == 0  # asked for trust before anything was fetched
    assert facts["once"] == [f"{site}/zipball/main"]
    assert facts["fetched"] == [f"{site}/zipball/main", *2 * [f"{site}/zipball/v1.0"]]
    assert f"{site}/tree/main/" not in facts["asked"]  # a version named is not looked for
    assert facts["folders"] == ["OWNER_affectzoo_main", "OWNER_affectzoo_v1.0", "trusted_list"]


def test_dependencies_are_what_is_imported(facts: dict[str, Any]) -> None:
    assert facts["imported"] == runpy.run_path(str(REPOSITORY / "hubconf.py"))["dependencies"]


def test_the_bundled_weights_are_in_the_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(tmp_path / "archive.zip")) as archive:
        packed = {Path(entry.filename).name: entry.file_size for entry in archive.infolist()}
    for entry in store.entries().values():
        if entry.repo_id is None:
            assert packed[entry.file] == entry.size


def test_from_a_checkout() -> None:
    model = torch.hub.load(str(REPOSITORY), "dlp_cnn_s", weights="ferplus", source="local")
    assert model.meta == affectzoo.load("dlp_cnn_s.ferplus").meta
    with pytest.raises(WeightsError, match="none yet"):
        torch.hub.load(str(REPOSITORY), "alexnet", pretrained=True, source="local")
