"""``affectzoo doctor``: whatever is broken is a sentence with what to do, never a traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from affectzoo.cli import main
from affectzoo.doctor import checks, command, libraries, part
from affectzoo.doctor.part import Part, examine, shown
from affectzoo.evaluation import machine
from affectzoo.faces.detect import CenterFace, YuNet
from affectzoo.store import entries


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, with nothing set."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (*checks.SETTINGS, *checks.SECRETS):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries are loaded by a test of their own."""
    monkeypatch.setattr(libraries, "broken", lambda modules: {})


@pytest.mark.usefixtures("quick", "home")
def test_what_is_right_is_told_at_any_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(*arguments: object) -> None:
        raise AssertionError("it asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(checks, "LEAST", 0)
    monkeypatch.setattr(command, "CHECKS", [check for check in command.CHECKS if check[0] != "weights"])
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert main(["doctor"]) == 0
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= columns
        assert shown.endswith("\nall is right\n") and "WRONG" not in shown
        for told in ("torch ", "onnxruntime ", "auto: haar", "GiB free"):
            assert told in " ".join(shown.split())
    monkeypatch.delenv("COLUMNS")
    assert main(["doctor"]) == 0  # in a pipe
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 200


@pytest.mark.usefixtures("quick")
def test_what_is_wrong_is_in_the_json_too(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "kept").write_text("a file")
    monkeypatch.setenv("AFFECTZOO_HOME", str(home / "kept"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(command, "CHECKS", command.CHECKS[:1] + command.CHECKS[2:3])
    with pytest.raises(SystemExit, match="1"):
        main(["doctor", "--json"])
    shown = capsys.readouterr().out
    assert "hf_secret" not in shown and str(home) not in shown
    parts = {told["name"]: told for told in json.loads(shown)["parts"]}
    assert parts["settings"]["facts"] == {"AFFECTZOO_HOME": "~/kept", "HF_TOKEN": "set"}
    assert "AFFECTZOO_HOME" in parts["caches"]["faults"][0]
    with pytest.raises(SystemExit, match="1"):
        main(["doctor"])
    shown = capsys.readouterr().out
    assert "WRONG: ~/kept is no folder" in shown and shown.endswith("1 thing wrong, see WRONG above\n")


def test_without_any_library_there_is_no_traceback(tmp_path: Path) -> None:
    root = Path(command.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "affectzoo", "doctor"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr == ""
    for name in ("libraries", "devices", "caches", "detector", "weights"):
        assert f"WRONG: {name}: could not be examined any further: ModuleNotFoundError" in done.stdout
    assert "5 things wrong" in done.stdout


def test_libraries_that_are_missing_old_or_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {
        "": [Requirement("no-such"), Requirement("numpy>=99"), Requirement("pyyaml")],
        "video": [Requirement("no-video")],
        "dev": [Requirement("no-linter")],
    }
    monkeypatch.setattr(libraries, "requirements", lambda: needed)
    monkeypatch.setattr(libraries, "broken", lambda modules: dict.fromkeys({"yaml"} & set(modules), "why"))
    monkeypatch.setattr(libraries, "packages_distributions", lambda: {"cv2": ["opencv-a", "opencv-b"]})
    found = examine("libraries", libraries.check)
    assert found.notes == ['extra video: no-video not installed: pip install "affectzoo[video]"']
    old, missing, clash, cannot = found.faults
    assert old.endswith('affectzoo needs: pip install "numpy>=99"')
    assert missing == 'no-such not installed: pip install "affectzoo"'
    assert "pip uninstall opencv-a opencv-b" in clash and cannot.startswith("yaml is installed, but")
    assert found.facts["unusable"] == ["yaml", "no_such"]

    monkeypatch.setattr(command, "examine", lambda name, check: found)
    monkeypatch.setattr(command, "CHECKS", [("detector", checks.detector, ("yaml",))])
    assert list(command.examined())[-1].notes == ["detector: not examined without yaml"]


def test_what_crashes_or_hangs_when_it_is_loaded_ends_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, code in {
        "crashing": "import os; os._exit(9)",
        "failing": "raise OSError('no such library')",
        "hanging": "import time; time.sleep(60)",
        "right": "print('hello')",
    }.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(libraries, "SECONDS", 2)
    assert libraries.broken(["failing", "crashing", "right", "hanging", "json"]) == {
        "failing": "OSError: no such library",
        "crashing": "the process ended with status 9",
        "hanging": "not done after 2 s",
    }
    assert libraries.broken([]) == {}


def refused(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o500)
    return folder / "kept"


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def dangling(path: Path) -> Path:
    path.symlink_to(path.with_name("nothing"))
    return path


@pytest.mark.parametrize("make", [pipe, dangling, refused])
def test_folders_that_cannot_keep_anything(
    make: Callable[[Path], Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if make is refused:
        monkeypatch.setattr(
            os, "access", lambda path, mode: Path(path).stat().st_mode & 0o200 != 0
        )  # root may
    monkeypatch.setenv("AFFECTZOO_HOME", str(make(home / "place")))
    found = examine("caches", checks.caches)
    assert len(found.faults) == 1 and "~/place" in found.faults[0] and "AFFECTZOO_HOME" in found.faults[0]


def test_sizes_are_of_files_and_take_no_longer_than_they_may(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = home / ".cache" / "affectzoo"
    (kept / "a").mkdir(parents=True)
    (kept / "a" / "b").write_bytes(bytes(3 * 2**20))
    (kept / "link").symlink_to(kept / "a" / "b")
    assert examine("caches", checks.caches).facts["affectzoo"] == "~/.cache/affectzoo: 3.0 MiB"
    monkeypatch.setattr(checks, "WALK", -1)
    assert examine("caches", checks.caches).facts["affectzoo"].startswith("~/.cache/affectzoo: over ")


def test_a_damaged_detector_file_is_wrong_a_missing_one_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CenterFace, "installed", staticmethod(lambda: None))
    found = examine("detector", checks.detector)
    assert found.faults == [] and found.facts["auto"] == "haar" and "YuNet" in found.notes[0]
    YuNet.kept().parent.mkdir(parents=True)
    YuNet.kept().write_bytes(b"other")
    found = examine("detector", checks.detector)
    assert "~/.cache/affectzoo/detectors" in found.faults[0] and found.facts["auto"] == "haar"
    YuNet.kept().unlink()
    YuNet.kept().mkdir()
    assert "no file, where" in examine("detector", checks.detector).faults[0]


def test_bundled_weights_that_were_altered_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = {entry.file: entry.sha256 for entry in entries().values()}
    monkeypatch.setattr(checks, "sha256", lambda path: "0" if "mobilenet" in path.name else sums[path.name])
    found = examine("weights", checks.weights)
    assert found.facts["dlp_cnn_s.ferplus"] == "right"
    assert {name for name, state in found.facts.items() if state == "wrong"} == {
        name for name in entries() if "mobilenet" in name
    }
    assert all("install affectzoo anew" in fault for fault in found.faults)


def test_a_gpu_that_torch_cannot_use_is_wrong(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpus" / "0").mkdir(parents=True)
    monkeypatch.setattr(checks, "DRIVER", tmp_path / "gpus")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "install the torch that fits" in examine("devices", checks.devices).faults[0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert examine("devices", checks.devices).faults == []


@pytest.mark.parametrize("able", [True, False])
def test_processors_without_bf16_are_told(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": able})
    assert (machine.SLOW_BF16 in examine("devices", checks.devices).notes) == (not able)


def test_a_full_disk_and_a_folder_that_is_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LEAST", 2**80)
    assert len(examine("space", checks.space).faults) == 3
    (home / "gone").mkdir()
    monkeypatch.chdir(home / "gone")
    (home / "gone").rmdir()
    assert "FileNotFoundError" in examine("space", checks.space).faults[0]


def test_a_check_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "LIMIT", 0.1)

    def hang(found: Part) -> None:
        found.facts["first"] = 1
        threading.Event().wait()

    found = examine("caches", hang)
    assert found.facts == {"first": 1} and "no answer in 0.1 s" in found.faults[0]


def test_paths_are_shown_without_the_user(home: Path) -> None:
    assert shown(home / "a") == "~/a"
    assert shown(Path("/b")) == "/b" and shown(Path("c")) == "c"


def test_an_affectzoo_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> None:
        raise PackageNotFoundError("affectzoo")

    monkeypatch.setattr(libraries, "requirements", nothing)
    assert "PackageNotFoundError" in examine("libraries", libraries.check).faults[0]
