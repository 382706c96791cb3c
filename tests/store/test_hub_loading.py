"""Models from the Hub, through the real client: what is fetched, what is refused, what users are told."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
import torch
from fakes.hub import FakeHub, Repo, User
from huggingface_hub import constants, file_download
from safetensors.torch import load_file, save_file

import affectzoo
from affectzoo import store, weights
from affectzoo.benchmark.systems import system
from affectzoo.cli import main
from affectzoo.errors import UnknownNameError, WeightsError
from affectzoo.files import fetch, guard
from affectzoo.models.base import AffectModel
from affectzoo.registry import ARCHITECTURES
from affectzoo.store.config import CONFIG_LIMIT
from affectzoo.weights import WeightsMeta
from affectzoo.zoo import golden, listing
from affectzoo.zoo.loading import seal

REPOSITORY = Path(__file__).parents[2]
NAME = "lab/net"
SPEC = f"hf-hub:{NAME}"
OWNER, STRANGER = "hf_owner", "hf_stranger"
SMALL: dict[str, dict[str, Any]] = {
    "cnn_gru": {"backbone": "resnet18", "units": 16, "preprocess": {"size": 64}},
    "dlp_cnn_s": {},
    "resnet18": {"preprocess": {"size": 64}},
}
LABELS = ["calm", "tense"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.tokens |= {OWNER: User("ada", orgs=("lab",)), STRANGER: User("bob")}
        hub.environment(monkeypatch, tmp_path / "home")
        yield hub


def model(arch: str = "dlp_cnn_s", **options: Any) -> AffectModel:
    """A small random model."""
    given = {**SMALL[arch], **({"labels": LABELS} if "task" not in options else {}), **options}
    if "preprocess" in given:
        default = ARCHITECTURES[arch].load_class().default_preprocess
        given["preprocess"] = replace(default, resize=None, **given["preprocess"])
    return affectzoo.create_model(arch, **given).eval()


def config(folder: Path, **changes: Any) -> bytes:
    """``config.json`` of the weights in a folder; ``None`` takes a key away."""
    path = store.locate(folder).path
    sums = {path.name: fetch.sha256(path)}
    meta = weights.read_meta(path).to_dict()
    values = {"format": 1, "library": "affectzoo", "meta": meta, "sha256": sums} | changes
    return json.dumps({key: value for key, value in values.items() if value is not None}).encode()


def files(folder: Path) -> dict[str, bytes]:
    """A folder as it is published."""
    path = store.locate(folder).path
    return {path.name: path.read_bytes(), "config.json": config(folder), "README.md": b"# Net"}


def sealed(folder: Path, seed: int) -> Path:
    """Write a small sealed model."""
    torch.manual_seed(seed)
    made = model()
    weights.write(folder / weights.FILE_NAME, made.network_state(), made.describe())
    seal(folder / weights.FILE_NAME)
    return folder


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small sealed model."""
    return sealed(tmp_path_factory.mktemp("plain"), 1)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with another one."""
    return sealed(tmp_path_factory.mktemp("other"), 2)


@pytest.fixture
def repo(hub: FakeHub, plain: Path) -> Repo:
    return hub.create(NAME, files(plain))


def asked(hub: FakeHub) -> list[str]:
    """Method and file of each request."""
    return [f"{request.method} {request.path.rpartition('/')[2]}" for request in hub.log]


def answers(loaded: AffectModel) -> dict[str, torch.Tensor]:
    size, channels = loaded.preprocess.size, loaded.preprocess.channels
    generator = torch.Generator().manual_seed(0)
    faces = torch.randn(2, channels, size, size, generator=generator)
    points = torch.rand(2, loaded.landmarks, 2, generator=generator) * size if loaded.landmarks else None
    if loaded.arch == "cnn_gru":
        faces, points = faces[None], None if points is None else points[None]
    with torch.inference_mode():
        output = loaded(faces, points)
    return {name: value for name, value in output._asdict().items() if value is not None}


# What is loaded


@pytest.mark.parametrize("arch", SMALL)
@pytest.mark.parametrize("task", ["expression", "va"])
def test_the_hub_gives_the_same_model_as_the_folder(
    hub: FakeHub, tmp_path: Path, arch: str, task: str
) -> None:
    made = model(arch, task=task, **({"labels": LABELS} if task == "expression" else {}))
    meta = replace(made.describe(), window=8 if arch == "cnn_gru" else 0)
    weights.write(tmp_path / "run" / weights.FILE_NAME, made.network_state(), meta)
    seal(tmp_path / "run" / weights.FILE_NAME)
    hub.create(NAME, files(tmp_path / "run"))
    local, remote = affectzoo.load(tmp_path / "run"), affectzoo.load(SPEC)
    assert remote.meta == local.meta == meta
    assert (remote.preprocess, remote.arguments, remote.training) == (made.preprocess, made.arguments, False)
    expected, found = answers(local), answers(remote)
    assert expected.keys() == found.keys() >= {task, "features"}
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_every_way_to_name_weights_takes_the_hubs(
    repo: Repo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = answers(affectzoo.load(SPEC))["features"]
    hubconf = runpy.run_path(str(REPOSITORY / "hubconf.py"))
    for loaded in (
        affectzoo.load("dlp_cnn_s", weights=SPEC),
        affectzoo.load(Path(f"{SPEC}@main")),
        affectzoo.load(SPEC, labels=["a", "b", "c"]),
        affectzoo.create_model("dlp_cnn_s", labels=LABELS, weights=SPEC).eval(),
        hubconf["dlp_cnn_s"](weights=f"{SPEC}@{repo.head}"),
    ):
        assert torch.equal(answers(loaded)["features"], expected)
    with pytest.raises(WeightsError, match="weights of dlp_cnn_s, not of alexnet"):
        affectzoo.load("alexnet", weights=SPEC)
    assert system(SPEC).spec == SPEC
    assert system(f"mine={SPEC}@{repo.head}+svm").weights.meta().labels == tuple(LABELS)  # type: ignore[attr-defined]
    face = sorted(golden.FACE.iterdir())[0]
    for options in (["--model", SPEC], ["--model", "dlp_cnn_s", "--weights", SPEC]):
        out = tmp_path / "faces.json"
        assert main(["predict", str(face), "--detector", "none", "--out", str(out), *options]) == 0
        assert json.loads(out.read_text())[0]["label"] in LABELS
    assert main(["predict", str(face), "--detector", "none", "--model", "hf-hub:lab/nothing"]) == 1
    assert "\naffectzoo: config.json of lab/nothing is not" in "\n" + capsys.readouterr().err


# What is asked for


def test_a_branch_is_asked_for_once_and_a_commit_never(hub: FakeHub, repo: Repo) -> None:
    affectzoo.load(SPEC)
    assert asked(hub) == [
        *("HEAD config.json", "GET config.json"),
        *("HEAD model.safetensors", "GET model.safetensors"),
    ]
    for spec, expected in ((SPEC, ["HEAD config.json"]), (f"{SPEC}@{repo.head}", [])):
        hub.log.clear()
        affectzoo.load(spec)
        assert asked(hub) == expected


def test_all_files_come_from_the_commit_that_was_found_first(hub: FakeHub, repo: Repo, plain: Path) -> None:
    first = repo.head
    answer, moved = hub.answer, []

    def answered(request: Any) -> Any:
        reply = answer(request)
        if request.method == "GET" and request.path.endswith("config.json"):
            moved.append(repo.commit({"model.safetensors": b"other", "config.json": b"{}"}))
        return reply

    hub.answer = answered  # type: ignore[method-assign]
    assert store.locate(SPEC).path.parent.name == first
    assert len(moved) == 1
    with pytest.raises(WeightsError, match="is not of affectzoo"):
        store.locate(SPEC)


def test_tags_and_branches_are_followed_and_commits_are_not(hub: FakeHub, repo: Repo, other: Path) -> None:
    old = repo.tags["v1"] = repo.head
    assert store.locate(f"{SPEC}@v1").path.name == weights.FILE_NAME
    new = repo.tags["v1"] = repo.commit(files(other), branch="wide/net")
    commits = {rev: store.locate(f"{SPEC}@{rev}").path.parent.name for rev in ("v1", "wide/net", "main", old)}
    assert commits == {"v1": new, "wide/net": new, "main": old, old: old}


def test_without_network_what_was_fetched_goes_on(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = answers(affectzoo.load(SPEC))["features"]
    hub.stop()
    with pytest.warns(UserWarning, match=rf"fetched before, {repo.head}: .*no connection to {hub.endpoint}"):
        assert torch.equal(answers(affectzoo.load(SPEC))["features"], expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(answers(affectzoo.load(f"{SPEC}@{repo.head}"))["features"], expected)
        hub.environment(monkeypatch, tmp_path / "home", offline=True)
        assert torch.equal(answers(affectzoo.load(SPEC))["features"], expected)
    with pytest.raises(
        WeightsError, match=r"config.json of lab/other is not cached .*\(HF_HUB_OFFLINE forbids"
    ):
        affectzoo.load("hf-hub:lab/other")
    assert not hub.waits


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_in_trouble_is_as_good_as_none(hub: FakeHub, repo: Repo, status: int) -> None:
    path = store.locate(SPEC).path
    hub.fail(status)
    with pytest.warns(UserWarning, match=f"fetched before, .* status {status}"):
        assert store.locate(SPEC).path == path


def test_what_is_gone_is_not_taken_from_the_cache(hub: FakeHub, repo: Repo) -> None:
    store.locate(SPEC)
    repo.private = True
    with pytest.raises(
        WeightsError, match=r"^config.json of lab/net could not be fetched \(no such repository"
    ):
        store.locate(SPEC)


def test_the_endpoint_is_the_clients(hub: FakeHub, repo: Repo, tmp_path: Path) -> None:
    command = f"from affectzoo.store import locate; print(locate({SPEC!r}).path.parent.name)"
    variables = {**hub.variables(tmp_path / "other"), "PATH": "", "AFFECTZOO_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", command], env=variables, capture_output=True, text=True)
    assert done.stdout.strip() == repo.head, done.stderr
    assert (tmp_path / "other" / "hub" / "models--lab--net" / "refs" / "main").read_text() == repo.head


# What users are told


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf-hub:net", "expected hf-hub:OWNER/NAME or hf-hub:OWNER/NAME@REVISION"),
        ("hf-hub:", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:../net", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:lab/net@", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:lab/net@../../x", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:lab/net/file.bin", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:lab/net--x", "Cannot have -- or"),
        ("hf-hub:-lab/net", "cannot start or end with"),
        ("hf-hub:lab/net@$(id)", "expected hf-hub:OWNER/NAME"),
    ],
)
def test_names_that_are_none(hub: FakeHub, name: str, said: str) -> None:
    with pytest.raises(WeightsError, match="is no name on the Hub: ") as error:
        affectzoo.load(name)
    assert said in str(error.value)
    assert not hub.log


def test_a_name_without_its_beginning_says_how(plain: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'lab/net': .*\(or hf-hub:OWNER/NAME"):
        affectzoo.load("lab/net")


Act = Callable[[FakeHub, Repo], None]


@pytest.mark.parametrize(
    ("act", "spec", "said"),
    [
        (
            lambda hub, repo: hub.stop(),
            SPEC,
            r"\(no connection to http://127.0.0.1:\d+, is there a network\? ",
        ),
        (
            lambda hub, repo: None,
            "hf-hub:lab/no",
            r"\(no such repository, or a private one: check the name http.*/lab/no, or log in with: hf auth",
        ),
        (
            lambda hub, repo: setattr(repo, "private", True),
            SPEC,
            r"\(no such repository, or a private one: .*",
        ),
        (
            lambda hub, repo: setattr(repo, "gated", True),
            SPEC,
            r"\(the repository is gated: ask for access at http.*:\d+/lab/net, then log in",
        ),
        (
            lambda hub, repo: None,
            f"{SPEC}@v9",
            r"\(no branch, tag or commit is called 'v9', see http.*/lab/net\)",
        ),
        (lambda hub, repo: None, f"{SPEC}@{'0' * 40}", r"\(no branch, tag or commit is called '0{40}', see "),
        (
            lambda hub, repo: repo.commit({"config.json": None}),
            SPEC,
            r"\(revision 'main' has no such file, see http.*/lab/net/tree/main\)",
        ),
        (
            lambda hub, repo: hub.limit(7),
            SPEC,
            r"\(the Hub takes no more requests now, status 429: try again in 7 s",
        ),
        (lambda hub, repo: hub.fail(429), SPEC, r"\(the Hub takes no more requests now, .* try again later"),
        (lambda hub, repo: hub.fail(502), SPEC, r"\(the Hub failed, status 502: try again later\)"),
        (
            lambda hub, repo: hub.fail(403, message="Not you"),
            SPEC,
            r"\(the Hub refused, status 403: .*Not you",
        ),
        (
            lambda hub, repo: hub.slow(9, method="HEAD"),
            SPEC,
            r"\(http.* did not answer in time: try again later",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("hf-hub") else "",
)
def test_what_cannot_be_had_is_said_in_one_line_at_once(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, act: Act, spec: str, said: str
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    act(hub, repo)
    with pytest.raises(
        WeightsError, match=f"^config.json of lab/[a-z]+ is not cached and could not be fetched {said}"
    ) as error:
        affectzoo.load(spec)
    assert "\n" not in str(error.value)
    assert not hub.waits


@pytest.mark.parametrize(
    ("act", "said", "waits"),
    [
        (lambda hub: hub.fail(500, method="GET"), "the Hub failed, status 500: try again later", []),
        (lambda hub: hub.cut(10_000), r"no connection to http.*received 10000 bytes", [1] * 5),
        (lambda hub: hub.alter(lambda body: body[:1000]), "Consistency check failed: .* has size 1000", []),
        (lambda hub: hub.slow(9, method="GET"), "did not answer in time", [1] * 5),
        (lambda hub: hub.limit(7, method="GET"), "no more requests now, status 429", [8] * 5),
    ],
    ids=["broken", "cut", "truncated", "slow", "limited"],
)
def test_downloads_that_fail_leave_nothing_behind(
    hub: FakeHub,
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    act: Callable[[FakeHub], None],
    said: str,
    waits: list[int],
) -> None:
    store.locate(SPEC)
    fetch.forget(store.locate(SPEC).path)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1 if "in time" in said else 10)
    act(hub)
    with pytest.raises(WeightsError, match=f"^model.safetensors of lab/net is not cached and could .*{said}"):
        affectzoo.load(SPEC)
    assert hub.waits == waits
    assert not list(tmp_path.rglob("blobs/.*"))
    hub.heal()
    affectzoo.load(SPEC)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_gets_full(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    def full(url: str, file: BinaryIO, **_: object) -> None:
        file.write(b"begun")
        raise OSError(number, os.strerror(number))

    said = rf"\(no space left for {constants.HF_HUB_CACHE}: free some, or move it with HF_HUB_CACHE"
    with monkeypatch.context() as patch, pytest.raises(WeightsError, match=said):
        patch.setattr(file_download, "http_get", full)
        affectzoo.load(SPEC)
    assert not list(tmp_path.rglob("blobs/.*"))
    affectzoo.load(SPEC)


def test_a_disk_that_is_too_full(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.locate(SPEC)
    fetch.forget(store.locate(SPEC).path)
    hub.log.clear()
    size = len(repo.read(weights.FILE_NAME))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(
            WeightsError,
            match=rf"^model.safetensors of lab/net: not fetched: {size:,} bytes, but "
            rf"{constants.HF_HUB_CACHE} has 1,000 free: free some, or move the cache with HF_HUB_CACHE",
        ):
            affectzoo.load(SPEC)
    assert not hub.requests("GET") and not list(tmp_path.rglob("blobs/.*"))
    affectzoo.load(SPEC)


def test_a_full_disk_is_none_of_the_cache(hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    old = store.locate(SPEC).path
    repo.commit({"README.md": b"# Another"})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    new = store.locate(SPEC).path
    assert new != old and new.samefile(old)


def test_files_that_are_too_large_are_not_fetched(hub: FakeHub, repo: Repo) -> None:
    hub.claim(9 * 2**30, path="*.safetensors")
    by_hand = f"hf download lab/net --revision {repo.head} --local-dir DIR, and load DIR"
    said = "it has 9,663,676,416 bytes, at most 8,589,934,592 are allowed. If you trust the repository: "
    with pytest.raises(WeightsError) as error:
        affectzoo.load(SPEC)
    assert str(error.value) == f"model.safetensors of lab/net: not fetched: {said}{by_hand}"
    assert {request.path.rpartition("/")[2] for request in hub.requests("GET")} == {"config.json"}
    hub.heal()
    affectzoo.load(SPEC)


def test_a_size_that_is_none(hub: FakeHub, repo: Repo) -> None:
    hub.claim(-5, path="*.safetensors")
    with pytest.raises(WeightsError, match="the Hub says that it has -5 bytes"):
        affectzoo.load(SPEC)


def test_what_is_too_large_to_read_is_not_to_be_fetched_by_hand(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("affectzoo.store.hub.CONFIG_LIMIT", 100)
    with pytest.raises(WeightsError, match=r"config.json of lab/net: .* at most 100 are allowed$"):
        affectzoo.load(SPEC)


def test_without_an_answer_what_is_cached_stays(hub: FakeHub, repo: Repo) -> None:
    fetch.forget(store.locate(SPEC).path)
    hub.stop()
    with pytest.warns(UserWarning, match="going on with what was fetched before"):
        for _ in range(2):
            with pytest.raises(WeightsError, match=r"^model.safetensors of lab/net is not cached"):
                affectzoo.load(SPEC)


def test_a_file_may_be_as_large_as_the_limit(hub: FakeHub, repo: Repo) -> None:
    size = len(repo.read(weights.FILE_NAME))
    file = fetch.HubFile(NAME, weights.FILE_NAME, repo.head)
    with pytest.raises(WeightsError, match=f"it has {size:,} bytes, at most {size - 1:,} are allowed"):
        fetch.fetch(replace(file, limit=size - 1))
    assert fetch.fetch(replace(file, limit=size)).stat().st_size == size


@pytest.mark.parametrize("claimed", [10, None])
def test_a_download_that_goes_on_is_ended(
    hub: FakeHub, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: int | None
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4000)
    hub.claim(claimed)
    file = fetch.HubFile(NAME, weights.FILE_NAME, repo.head, limit=10_000)
    with pytest.raises(
        WeightsError,
        match=r"could not be fetched \(it has more bytes than the Hub said, at most 10,000 are allowed\)$",
    ):
        fetch.fetch(file)
    assert len(hub.requests("GET")) == 1, "it is not tried again"
    assert not list(tmp_path.rglob("blobs/.*"))
    hub.heal()
    assert fetch.fetch(replace(file, limit=fetch.LARGEST)).read_bytes() == repo.read(weights.FILE_NAME)


def test_a_hub_that_breaks_between_two_questions(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = fetch._ask

    def asked_and_gone(file: fetch.HubFile) -> Any:
        found = ask(file)
        hub.stop()
        return found

    monkeypatch.setattr(fetch, "_ask", asked_and_gone)
    with pytest.raises(WeightsError, match=r"model.safetensors .*no connection to"):
        fetch.fetch(fetch.HubFile(NAME, weights.FILE_NAME, "main"))


@pytest.mark.parametrize(
    "said",
    [
        {"ETag": '"../../../../victim"'},
        {"X-Linked-Etag": '"../../../../victim"'},
        {"ETag": '"/tmp/victim"', "X-Linked-Etag": '"/tmp/victim"'},
        {"ETag": '".."'},
        {"ETag": '"a\\b"'},
        {"ETag": '""'},
        {"X-Repo-Commit": "../../../../victim"},
        {"X-Repo-Commit": ""},
        {"X-Repo-Commit": "main"},
    ],
)
def test_names_that_a_server_chooses_stay_in_the_cache(
    hub: FakeHub, repo: Repo, tmp_path: Path, said: dict[str, str]
) -> None:
    (tmp_path / "victim").write_text("mine")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    hub.lie(said)
    for spec in (SPEC, f"{SPEC}@{repo.head}"):
        with pytest.raises(WeightsError, match="no answer of a Hub"):
            affectzoo.load(spec)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "victim").read_text() == "mine"
    assert not hub.requests("GET")


def test_a_missing_file_cannot_name_a_place_either(hub: FakeHub, repo: Repo, tmp_path: Path) -> None:
    repo.commit({"config.json": None})
    hub.lie({"X-Repo-Commit": "../../../../made"})
    with pytest.raises(WeightsError, match="has no such file"):
        affectzoo.load(SPEC)
    assert not list(tmp_path.rglob("made"))


@pytest.mark.parametrize(
    "names",
    [
        ("lab/net", "../config.json", "main"),
        ("lab/net", "/etc/config.json", "main"),
        ("lab/net", "config.json", "../../main"),
        ("lab/net", "config.json", "/main"),
        ("lab/net", "config.json", "a\\b"),
        ("lab/net", "config.json\n", "main"),
    ],
)
def test_nothing_is_asked_for_that_could_lead_elsewhere(names: tuple[str, str, str]) -> None:
    with pytest.raises(WeightsError, match="names nothing on the Hub"):
        fetch.HubFile(*names)


def test_a_commit_is_the_one_that_was_asked_for(hub: FakeHub, repo: Repo) -> None:
    hub.lie({"X-Repo-Commit": "f" * 40})
    with pytest.raises(WeightsError, match="no answer of a Hub"):
        affectzoo.load(f"{SPEC}@{repo.head}")


def test_nothing_outside_the_cache_is_removed(hub: FakeHub, repo: Repo, tmp_path: Path) -> None:
    path = store.locate(SPEC).path
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(WeightsError, match="lies outside the Hub's cache"):
        fetch.forget(path)
    for outside in (victim, path.parent / ".." / ".." / ".." / ".." / ".." / "victim"):
        with pytest.raises(WeightsError, match="lies outside the Hub's cache"):
            fetch.forget(outside)
    with pytest.raises(WeightsError, match="lies outside the Hub's cache"):
        store.locate(SPEC)  # its bytes are wrong, but they are not the cache's
    assert victim.read_text() == "mine"


def test_a_repository_that_was_moved_to_another_disk_is_still_the_caches(
    hub: FakeHub, repo: Repo, tmp_path: Path
) -> None:
    path = store.locate(SPEC).path
    folder = path.parents[2]
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    fetch.forget(path)
    assert not path.exists() and store.locate(SPEC).path == path


def test_a_body_that_comes_too_slowly_is_ended(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "GRACE", 0.3)
    monkeypatch.setattr(guard, "SLOWEST", 10**6)
    hub.slow(0.05, chunk=100, method="GET", path="*.safetensors")
    began = time.monotonic()
    with pytest.raises(guard.UnreachableError, match=r"model\.safetensors of lab/net .*too slow"):
        affectzoo.load(SPEC)
    assert time.monotonic() - began < 20
    assert len(hub.requests("GET", "*.safetensors")) == 1, "it is not tried again"
    hub.heal()
    affectzoo.load(SPEC)


def test_a_body_that_is_cut_again_and_again_is_ended(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.lie({"Accept-Ranges": None}, method="GET")  # so that each try begins anew
    hub.cut(10**6, path="*.safetensors")
    limit = len(repo.read(weights.FILE_NAME))
    with pytest.raises(WeightsError, match="it has more bytes than the Hub said"):
        fetch.fetch(fetch.HubFile(NAME, weights.FILE_NAME, repo.head, limit=limit))
    assert len(hub.requests("GET", "*.safetensors")) < 5


def test_an_answer_that_never_ends_is_not_waited_for(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: time.sleep(60))
    monkeypatch.setattr(fetch, "TIMEOUT", 0.1)
    began = time.monotonic()
    with pytest.raises(guard.UnreachableError, match="no answer in"):
        affectzoo.load(SPEC)
    assert time.monotonic() - began < 30


def test_a_server_cannot_ask_to_wait_for_long(hub: FakeHub, repo: Repo) -> None:
    hub.limit(10**9, method="GET")
    with pytest.raises(guard.UnreachableError, match="no more requests now: try again in 1000000000 s"):
        affectzoo.load(SPEC)
    assert not hub.waits


# Who may


def test_private_repositories_load_with_a_token(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.private = True
    hub.environment(monkeypatch, tmp_path / "home", STRANGER)
    with pytest.raises(WeightsError, match=r"or a private one that your token may not read: http.*/lab/net"):
        affectzoo.load(SPEC)
    hub.environment(monkeypatch, tmp_path / "home", "hf_nobody")
    with pytest.raises(WeightsError, match=r"the Hub does not know your token: log in with: hf auth login"):
        affectzoo.load(SPEC)
    hub.environment(monkeypatch, tmp_path / "home", OWNER)
    affectzoo.load(SPEC)


def test_a_stored_login_is_used(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.private = True
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "token").write_text(OWNER)
    affectzoo.load(SPEC)
    sent = [request.headers.get("authorization") for request in hub.log]
    assert sent == [f"Bearer {OWNER}"] * 3 + [None], "the storage gets none"


def test_gated_repositories(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.gated = True
    hub.environment(monkeypatch, tmp_path / "home", STRANGER)
    with pytest.raises(WeightsError, match=f"gated: ask for access at {hub.endpoint}/lab/net"):
        affectzoo.load(SPEC)
    repo.granted.add("bob")
    affectzoo.load(SPEC)


# Which bytes


def flip(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


def test_wrong_bytes_are_noticed_and_not_kept(hub: FakeHub, repo: Repo, tmp_path: Path) -> None:
    content = repo.read(weights.FILE_NAME)
    right, wrong = (hashlib.sha256(some).hexdigest() for some in (content, flip(content)))
    hub.alter(flip, path="*model.safetensors", times=1)
    with pytest.raises(
        WeightsError,
        match=rf"^model.safetensors of lab/net: wrong bytes: sha256 is {wrong}, expected {right}\. ",
    ):
        affectzoo.load(SPEC)
    assert not [
        path for path in (tmp_path / "home").rglob("*") if path.is_file() and path.stat().st_size > 10**5
    ]
    affectzoo.load(SPEC)


def test_a_damaged_description_is_fetched_again(hub: FakeHub, repo: Repo) -> None:
    right = fetch.sha256
    hub.alter(lambda body: body.replace(b'"format": 1', b'"format": 3'), path="*config.json", times=1)
    with pytest.raises(
        WeightsError, match=r"hf-hub:lab/net: config.json has format 3, this affectzoo reads 1"
    ):
        affectzoo.load(SPEC)
    (digit,) = json.loads(repo.read("config.json"))["sha256"].values()
    other = digit.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    hub.alter(lambda body: body.replace(digit.encode(), other.encode()), path="*config.json", times=1)
    with pytest.raises(WeightsError, match=f"wrong bytes: sha256 is {digit}, expected {other}"):
        affectzoo.load(SPEC)
    affectzoo.load(SPEC)
    assert right(store.locate(SPEC).path) == digit


def test_sums_are_compared_once_until_the_file_changes(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Path] = []
    usual = fetch.sha256
    monkeypatch.setattr(fetch, "sha256", lambda path: compared.append(path) or usual(path))  # type: ignore[func-returns-value]
    path = store.locate(SPEC).path
    store.locate(SPEC)
    assert compared == [path]
    path.write_bytes(flip(path.read_bytes()))
    with pytest.raises(WeightsError, match="wrong bytes"):
        store.locate(SPEC)
    assert store.locate(SPEC).path == path
    assert compared == [path] * 3


def test_altered_weights_with_their_own_sum_fail_the_self_test(
    hub: FakeHub, plain: Path, tmp_path: Path
) -> None:
    path = plain / weights.FILE_NAME
    tensors = weights.read_tensors(path)
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name] = -tensors[name]
    weights.write(
        tmp_path / weights.FILE_NAME, tensors, weights.read_meta(path), golden=weights.read_golden(path)
    )
    hub.create(NAME, files(tmp_path))
    with pytest.raises(WeightsError, match="self-test failed"):
        affectzoo.load(SPEC)


@pytest.fixture
def published(plain: Path, tmp_path: Path) -> Path:
    """A folder as ``affectzoo publish --dry-run --out`` leaves it."""
    folder = tmp_path / "published"
    folder.mkdir()
    for name, content in files(plain).items():
        (folder / name).write_bytes(content)
    return folder


def test_a_published_folder_is_held_to_its_description(published: Path, other: Path) -> None:
    path = published / weights.FILE_NAME
    affectzoo.load(published)
    right = path.read_bytes()
    path.write_bytes(flip(right))
    for name in (published, path):
        with pytest.raises(
            WeightsError, match=rf"sha256 is {fetch.sha256(path)}, expected [0-9a-f]{{64}} by "
        ):
            affectzoo.load(name)
    path.write_bytes(right)
    (published / "config.json").write_bytes(config(other))
    with pytest.raises(WeightsError, match="not the published weights: sha256"):
        affectzoo.load(published)
    (published / "config.json").write_bytes(b"{")
    with pytest.raises(WeightsError, match=r"config\.json is no JSON"):
        affectzoo.load(published)
    (published / "config.json").write_bytes(b"{}")
    with pytest.raises(WeightsError, match=r"config\.json is not of affectzoo"):
        affectzoo.load(published)
    (published / "config.yaml").write_text("model: {}")  # a run's folder, in which another tool left a file
    affectzoo.load(published)


@pytest.mark.parametrize(
    ("change", "both"),
    [
        ({"labels": ["tense", "calm"]}, r'labels \["tense", "calm"\], .* \["calm", "tense"\]'),
        ({"license": {"weights": "MIT"}}, r'license {"weights": "MIT"}, .* {}'),
        ({"training": {"data": "rafdb"}}, r'training {"data": "rafdb", .*}, .* {"notes": {}}'),
    ],
)
def test_an_edited_description_is_refused(
    hub: FakeHub, published: Path, change: dict[str, Any], both: str
) -> None:
    values = json.loads((published / "config.json").read_text())
    values["meta"] |= change
    (published / "config.json").write_text(json.dumps(values))
    hub.create(NAME, {path.name: path.read_bytes() for path in published.iterdir()})
    for name in (published, published / weights.FILE_NAME, SPEC):
        with pytest.raises(WeightsError, match=rf"config\.json says {both}"):
            affectzoo.load(name)


# Repositories that are not ours, or not well meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            b'{"model_type": "bert", "architectures": ["B"]}',
            "is not of affectzoo but, it seems, of transformers",
        ),
        (b'{"architecture": "resnet50", "pretrained_cfg": {}}', "it seems, of timm"),
        (b'{"classes": 7}', "it seems, of another library; only what affectzoo publish wrote can be loaded"),
        (b'{"library": ["affectzoo"]}', "it seems, of another library"),
        (b"[1, 2]", "is no JSON object"),
        (b"\xff\xfe", "is no JSON"),
        (b"", "is no JSON"),
        (b"[" * 500_000, "is no JSON"),
        (b'{"a":' * 100_000, "is no JSON"),
        (b'{"library": "affectzoo", "format": 1' + b"0" * 5000 + b"}", "is no JSON"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value[:20],
)
def test_descriptions_that_are_not_ours(hub: FakeHub, text: bytes, said: str) -> None:
    hub.create(NAME, {"config.json": text, "pytorch_model.bin": b"pickle", "model.safetensors": b"other"})
    with pytest.raises(WeightsError, match=f"^hf-hub:lab/net: config.json .*{said}"):
        affectzoo.load(SPEC)
    assert not hub.requests(path="*model*")


def with_meta(**changes: Any) -> Callable[[Path], bytes]:
    def changed(folder: Path) -> bytes:
        return config(folder, meta=json.loads(config(folder))["meta"] | changes)

    return changed


def with_sums(sums: Any) -> Callable[[Path], bytes]:
    return lambda folder: config(folder, sha256=sums)


SUM = "0" * 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: config(folder, format=2),
            "has format 2, this affectzoo reads 1: install a newer one",
        ),
        (lambda folder: config(folder, format=None), "has format None"),
        (lambda folder: config(folder, meta=None), "needs meta and the sha256"),
        (lambda folder: config(folder, meta=[1]), "needs meta and the sha256"),
        (lambda folder: config(folder).replace(b"0.25", b"NaN"), "is no JSON .NaN is no number"),
        (lambda folder: config(folder).replace(b"0.25", b"Infinity"), "is no JSON .Infinity is no number"),
        (with_meta(class_path="os.system"), "unknown fields class_path"),
        (with_meta(arch="os.system"), "unknown architecture 'os.system'"),
        (with_meta(arguments={"dropout": {"class_path": "os.system"}}), "which no architecture takes"),
        (with_meta(arguments={"dropout": 10**12}), "argument dropout is 1000000000000, which no"),
        (with_meta(arguments={"dropout": [1] * 1000}), "which no architecture takes"),
        (with_meta(preprocess={"size": 10**9}), "size 1000000000 and resize None must keep"),
        (with_meta(preprocess={"size": 4096}), "size 4096 and resize None must keep"),
        (with_meta(labels=["x" * 10**6, "y"]), "is longer than 200 characters"),
        (with_meta(labels=["x", ""]), "is empty"),
        (with_meta(labels=[str(number) for number in range(10**4)]), "has 10,000 classes; at most 1,000"),
        (lambda folder: config(folder).replace(b"0.25", b"1e999"), "is no JSON .1e999 is no number"),
        (with_meta(preprocess={"size": 48, "mean": "x" * 3}), "could not convert string to float"),
        (with_meta(labels=[]), "task expression with 0 labels"),
        (with_sums([]), "needs meta and the sha256"),
        *(
            (with_sums(sums), r"the sha256 of model\.safetensors, and of no other file")
            for sums in (
                {},
                {"../../x.safetensors": SUM},
                {"model.safetensors\n": SUM},
                {"pytorch_model.bin": SUM},
                {"model.safetensors": SUM, "model-1.safetensors": SUM},
                {"model.safetensors": SUM, "model.safetensors.index.json": SUM},
            )
        ),
        (with_sums({"model.safetensors": "abc"}), "the sha256 of model.safetensors is no 64 hex digits"),
        (with_sums({"model.safetensors": 7}), "is no 64 hex digits"),
    ],
)
def test_hostile_descriptions(hub: FakeHub, plain: Path, change: Callable[[Path], bytes], said: str) -> None:
    hub.create(NAME, files(plain) | {"config.json": change(plain)})
    with pytest.raises(WeightsError, match=f"^hf-hub:lab/net: config.json.*{said}"):
        affectzoo.load(SPEC)
    assert not hub.requests(path="*model*")


def test_the_weights_files_own_description_is_not_trusted_either(
    hub: FakeHub, plain: Path, tmp_path: Path
) -> None:
    path, copy = plain / weights.FILE_NAME, tmp_path / weights.FILE_NAME
    meta = weights.read_meta(path).to_dict() | {"arguments": {"weights": "/etc/passwd"}}
    save_file(load_file(path), copy, metadata={"affectzoo": json.dumps(meta)})
    hub.create(NAME, {"config.json": config(tmp_path), weights.FILE_NAME: copy.read_bytes()})
    with pytest.raises(WeightsError, match="dlp_cnn_s has no argument weights that a file may set"):
        affectzoo.load(SPEC)
    save_file(load_file(path), copy, metadata={"affectzoo": '{"a":' * 50_000})
    with pytest.raises(WeightsError, match="the 'affectzoo' metadata is no JSON"):
        weights.read_meta(copy)


@pytest.mark.parametrize("pickled", [b"\x80\x04cos\nsystem\n", b"PK\x03\x04"])
def test_pickles_are_not_even_fetched(hub: FakeHub, pickled: bytes, plain: Path) -> None:
    repo = hub.create(NAME, {"config.json": config(plain), "pytorch_model.bin": pickled})
    with pytest.raises(
        WeightsError, match=rf"^model.safetensors of lab/net .*revision '{repo.head}' has no such"
    ):
        affectzoo.load(SPEC)
    repo.commit(
        {
            weights.FILE_NAME: pickled,
            "config.json": config(plain, sha256={weights.FILE_NAME: hashlib.sha256(pickled).hexdigest()}),
        }
    )
    with pytest.raises(WeightsError, match=r"model.safetensors: no complete safetensors file"):
        affectzoo.load(SPEC)
    assert not hub.requests("GET", "*.bin")


def test_large_descriptions_are_not_fetched(hub: FakeHub, repo: Repo, plain: Path) -> None:
    repo.commit({"config.json": config(plain, more="x" * CONFIG_LIMIT)})
    said = (
        r"^config.json of lab/net: not fetched: it has 16,0\d\d,\d\d\d bytes, at most 16,000,000 are allowed"
    )
    with pytest.raises(WeightsError, match=said):
        affectzoo.load(SPEC)


# Writing


META = WeightsMeta.from_dict(
    {"arch": "dlp_cnn_s", "labels": LABELS, "preprocess": {"size": 48, "color": "gray"}}, "test"
)


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    path, tensors = tmp_path / "x.safetensors", {"a": torch.zeros(9)}
    with pytest.raises(WeightsError, match="a hold values that are not finite"):
        weights.write(path, {"a": torch.tensor([float("nan")])}, META)
    with pytest.raises(WeightsError, match="the model's description is no JSON"):
        weights.write(path, tensors, replace(META, metrics=({"ccc": float("nan")},)))
    with pytest.raises(WeightsError, match=r"end in \.safetensors"):
        weights.write(tmp_path / "model.bin", tensors, META)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_files_may_be_read_by_whom_the_umask_lets(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        weights.write(tmp_path / "x.safetensors", {"a": torch.zeros(9)}, META)
        weights.write(tmp_path / "x.safetensors", {"a": torch.zeros(9)}, META)
    finally:
        os.umask(before)
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask


# What the zoo knows by name


@pytest.fixture
def registered(
    hub: FakeHub, repo: Repo, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Repo]:
    """The zoo knows two sets of weights, both on the Hub; the branch has gone on since."""
    meta = weights.read_meta(plain / weights.FILE_NAME)
    terms = {"weights": "MIT", "images": "Lab: CC BY-NC 4.0", "labels": "MIT"}
    described = {
        "free": replace(meta, training=weights.Training(data="rafdb"), license=dict.fromkeys(terms, "MIT")),
        "bound": replace(meta, training=weights.Training(data="affectnet"), license=terms),
    }
    tensors, stored = (
        read(plain / weights.FILE_NAME) for read in (weights.read_tensors, weights.read_golden)
    )
    for name, own in described.items():
        weights.write(tmp_path / f"{name}.safetensors", tensors, own, golden=stored)
    made = {path.name: path for path in tmp_path.glob("*.safetensors")}
    repo.commit({name: path.read_bytes() for name, path in made.items()})
    (tmp_path / "assets" / "weights").mkdir(parents=True)
    for name, own in described.items():
        path = made[f"{name}.safetensors"]
        facts = {"file": path.name, "sha256": fetch.sha256(path), "size": path.stat().st_size}
        facts |= {"parameters": 1_333_122, "repo_id": NAME, "revision": repo.head, "meta": own.to_dict()}
        (tmp_path / "assets" / "weights" / f"dlp_cnn_s.{name}.json").write_text(json.dumps(facts))
    repo.commit(dict.fromkeys(made, b"newer"))
    monkeypatch.setattr("affectzoo.store.entry.ASSETS", tmp_path / "assets")
    store.entries.cache_clear()
    yield repo
    store.entries.cache_clear()


def test_registered_weights_are_pinned(hub: FakeHub, registered: Repo, plain: Path) -> None:
    local = affectzoo.load(plain)
    assert affectzoo.list_models(pretrained=True) == ["dlp_cnn_s.bound", "dlp_cnn_s.free"]
    loaded = affectzoo.load("dlp_cnn_s.free")
    assert torch.equal(answers(loaded)["features"], answers(local)["features"])
    assert asked(hub) == ["HEAD free.safetensors", "GET free.safetensors"]
    hub.stop()
    affectzoo.load("dlp_cnn_s", weights="free")


def test_registered_weights_have_the_registered_sum(hub: FakeHub, registered: Repo) -> None:
    hub.alter(flip, times=1)
    with pytest.raises(
        WeightsError, match=f"wrong bytes: .*expected {store.entries()['dlp_cnn_s.free'].sha256}"
    ):
        affectzoo.load("dlp_cnn_s.free")
    affectzoo.load("dlp_cnn_s.free")


def rows(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, Any]]:
    """What the command lists, by name."""
    capsys.readouterr()
    assert main(["models", "--json", *options]) == 0
    return {row["name"].partition(".")[2]: row for row in json.loads(capsys.readouterr().out)}


def test_models_are_filtered_and_prefetched(
    hub: FakeHub, registered: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {n: r["files"] for n, r in rows(capsys, "--pretrained").items()} == dict.fromkeys(
        ("bound", "free"), "on the Hub"
    )
    assert not hub.log
    for options, expected in (
        (["--license", "permissive"], {"free"}),
        (["--license", "non-commercial"], {"bound"}),
        (["--license", "unknown"], set()),
        (["--license", "cc by"], {"bound"}),
        (["--data", "rafdb"], {"free"}),
        (["--data", "ferplus"], set()),
        (["--data", "affectnet", "--license", "permissive"], set()),
        (["--pretrained", "--task", "va"], set()),
        (["--pretrained", "--task", "expression"], {"bound", "free"}),
    ):
        assert rows(capsys, *options).keys() == expected, options
    fetched = rows(capsys, "--prefetch", "--data", "rafdb")
    assert {name: row["files"] for name, row in fetched.items()} == {"free": "fetched"}
    assert fetched["free"]["repository"] == f"{SPEC}@{store.entries()['dlp_cnn_s.free'].revision}"
    assert {n: r["files"] for n, r in rows(capsys, "--prefetch").items()} == {
        "bound": "fetched",
        "free": "cached",
    }
    hub.stop()
    affectzoo.load("dlp_cnn_s.free")
    assert main(["models", "--prefetch"]) == 0
    assert "cached" in capsys.readouterr().out


def test_prefetch_says_what_it_could_not_fetch(
    hub: FakeHub, registered: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.stop()
    assert main(["models", "--prefetch"]) == 1
    assert "bound.safetensors of lab/net is not cached" in capsys.readouterr().err
    assert main(["models", "--data", "rafd"]) == 1
    assert "unknown data set 'rafd': did you mean rafdb" in capsys.readouterr().err


def test_bundled_weights_need_no_prefetch(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows(capsys, "--prefetch")["ferplus"]["files"] == "bundled"
    told = "all started from FER-2013's images, which are to be cleared"
    named = {"ferplus", "ferplus_distilled", "multitask", "rendered", "rendered_valence", "rendered_arousal"}
    assert rows(capsys, "--license", "unknown").keys() == named, told
    assert not hub.log


@pytest.mark.parametrize(
    ("terms", "kind"),
    [
        (("MIT", "MIT", "MIT"), "permissive"),
        (("Apache-2.0", "public domain", "FER+: MIT"), "permissive"),
        (("CC BY 4.0", "CC0-1.0", "bsd-3-clause"), "permissive"),
        (("MIT", "MIT"), "unknown"),
        ((), "unknown"),
        (("MIT", "MIT", ""), "unknown"),
        (("MIT", "MIT; images as FER-2013", "MIT"), "unknown"),
        (("MIT", "GPL-3.0", "MIT"), "unknown"),
        (("MIT", "clear them for commercial use", "MIT"), "unknown"),
        (("MIT", "MIT", "CC-BY-NC-SA-4.0"), "non-commercial"),
        (("MIT", "on request, non-commercial research", "MIT"), "non-commercial"),
        (("Noncommercial use", "", ""), "non-commercial"),
        (("MIT", "signed agreement, research only", "MIT"), "non-commercial"),
        (("MIT", "research use only", "MIT"), "non-commercial"),
        (("MIT", "not for commercial use", "MIT"), "non-commercial"),
    ],
)
def test_kinds_of_licenses(terms: tuple[str, ...], kind: str) -> None:
    named: Mapping[str, str] = dict(zip(("weights", "images", "labels"), terms, strict=False))
    assert listing.license_kind({**named, "code": "research only"}) == kind


def test_what_is_listed_of_architectures_is_what_they_are() -> None:
    known = json.loads(listing.BUILT.read_text())
    built = {name: listing.built(entry) for name, entry in sorted(ARCHITECTURES.items())}
    assert known == built, "write it anew: python -m affectzoo.zoo.listing"


def test_listing_builds_nothing() -> None:
    script = """
import sys
from affectzoo.cli import main
main(["models"]), main(["models", "--pretrained"])
print(sorted({"torch", "lightning", "numpy", "huggingface_hub"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
