"""The stand-in for the Hub, through the real client: what it does is what users of this library get."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import huggingface_hub as client
import pytest
from fakes.hub import FakeHub, Repo, User
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

# The client's own way of sending files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAME = "lab/net"
CARD = b"---\nlicense: mit\nlibrary_name: affectzoo\ntags:\n- faces\n---\n\n# Net\n"
WEIGHTS = bytes(range(250)) * 4000
SHA256 = "26c6e62f1fce427765660fb56f8ac8c166979bc7944c3b1a9fb26a0dec272835"
"""By sha256sum."""
FILES = {"README.md": CARD, "config.json": b'{"classes": 7}', "model.safetensors": WEIGHTS}
WRITER, READER, STRANGER = "hf_writer", "hf_reader", "hf_stranger"
TOKENS = {
    WRITER: User("ada", orgs=("lab",)),
    READER: User("ada", orgs=("lab",), write=False),
    STRANGER: User("bob"),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.tokens |= TOKENS
        hub.environment(monkeypatch, tmp_path / "home")
        yield hub


@pytest.fixture
def repo(hub: FakeHub) -> Repo:
    return hub.create(NAME, FILES)


def fetch(file: str = "model.safetensors", **options: str) -> bytes:
    return Path(client.hf_hub_download(NAME, file, **options)).read_bytes()


def asked(hub: FakeHub) -> list[str]:
    """Site, method and status of each request."""
    return [f"{request.site} {request.method} {request.status}" for request in hub.log]


def leftovers(home: Path) -> list[Path]:
    return list(home.rglob("*.incomplete"))


# Downloads


def test_small_files_come_from_the_hub_once(hub: FakeHub, repo: Repo) -> None:
    assert fetch("config.json") == FILES["config.json"]
    assert asked(hub) == ["hub HEAD 200", "hub GET 200"]
    hub.log.clear()
    assert fetch("config.json") == FILES["config.json"]
    assert asked(hub) == ["hub HEAD 200"]
    hub.log.clear()
    assert fetch("config.json", revision=repo.head) == FILES["config.json"]
    assert not hub.log


def test_large_files_come_from_the_storage_which_gets_no_token(hub: FakeHub, repo: Repo) -> None:
    assert fetch(token=WRITER) == WEIGHTS
    assert asked(hub) == ["hub HEAD 302", "storage GET 200"]
    assert [request.headers.get("authorization") for request in hub.log] == [f"Bearer {WRITER}", None]
    assert httpx2.get(f"{hub.storage}{hub.log[1].path}").status_code == 400


def test_metadata_of_files(repo: Repo) -> None:
    large = client.get_hf_file_metadata(client.hf_hub_url(NAME, "model.safetensors"))
    small = client.get_hf_file_metadata(client.hf_hub_url(NAME, "config.json"))
    assert (large.size, large.commit_hash, large.xet_file_data) == (len(WEIGHTS), repo.head, None)
    assert large.etag == SHA256
    assert (small.size, small.etag) == (14, "b3eed141460e39db04521f2703a9ee8b55259836"), "by git hash-object"


def test_branches_tags_and_commits(hub: FakeHub, repo: Repo) -> None:
    first = repo.head
    repo.tags["v1"] = first
    repo.commit({"config.json": b"{}", "docs/a b.txt": b"text"})
    repo.commit({"config.json": b"dev"}, branch="dev")
    read = {rev: fetch("config.json", revision=rev) for rev in ("main", "v1", first, "dev")}
    assert read == {"main": b"{}", "v1": FILES["config.json"], first: FILES["config.json"], "dev": b"dev"}
    assert fetch("docs/a b.txt") == b"text"
    repo.tags["v1"] = repo.head
    assert fetch("config.json", revision="v1") == b"{}", "the client follows a tag that was moved"
    assert fetch("config.json", revision=first) == FILES["config.json"]


def test_snapshot(hub: FakeHub, repo: Repo) -> None:
    folder = Path(client.snapshot_download(NAME))
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name in FILES} == FILES
    hub.log.clear()
    client.snapshot_download(NAME)
    assert [request.path for request in hub.log] == [f"/api/models/{NAME}/revision/main"]
    hub.log.clear()
    client.snapshot_download(NAME, revision=repo.head)
    assert not hub.log


def test_listings(repo: Repo) -> None:
    repo.commit({"a/b/c.txt": b"1", "a/d.txt": b"2"})
    assert sorted(client.list_repo_files(NAME)) == sorted([".gitattributes", *FILES, "a/b/c.txt", "a/d.txt"])
    assert [entry.path for entry in client.list_repo_tree(NAME, "a")] == ["a/b", "a/d.txt"]
    weights, card = client.HfApi().get_paths_info(NAME, ["model.safetensors", "README.md", "nothing"])
    assert weights.lfs and (weights.lfs.size, weights.lfs.pointer_size) == (len(WEIGHTS), 132)
    assert weights.blob_id == "68c79f31d2c6169bc696dc1e1e71f7d9064c7865", "by git hash-object of the pointer"
    assert (card.lfs, card.size) == (None, len(CARD))


# Faults on the way


def test_a_cut_download_goes_on_where_it_stopped(
    hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.cut(350_000, path="*model.safetensors", times=2)
    assert fetch() == WEIGHTS
    ranges = [request.headers.get("range") for request in hub.requests("GET")]
    assert ranges == [None, "bytes=300000-", "bytes=600000-"]
    assert asked(hub)[1:] == ["storage GET 200", "storage GET 206", "storage GET 206"]
    assert hub.waits == [1, 1]


def test_a_cut_download_of_less_than_a_chunk_begins_anew(hub: FakeHub, repo: Repo) -> None:
    assert len(WEIGHTS) < constants.DOWNLOAD_CHUNK_SIZE == 10 * 2**20
    hub.cut(350_000, path="*model.safetensors", times=1)
    assert fetch() == WEIGHTS
    assert [request.headers.get("range") for request in hub.requests("GET")] == [None, None]


def test_a_download_that_is_always_cut_fails(hub: FakeHub, repo: Repo, tmp_path: Path) -> None:
    hub.cut(350_000, path="*model.safetensors")
    with pytest.raises(httpx2.RemoteProtocolError, match=r"received 350000 bytes, expected 1000000"):
        fetch()
    assert len(hub.requests("GET")) == 6
    assert not leftovers(tmp_path)


def test_the_client_takes_wrong_bytes_of_the_right_length(hub: FakeHub, repo: Repo) -> None:
    hub.alter(lambda body: body[:-1] + b"?", path="*model.safetensors", times=1)
    wrong = WEIGHTS[:-1] + b"?"
    assert fetch() == wrong
    assert fetch() == wrong, "and keeps them"
    path = client.try_to_load_from_cache(NAME, "model.safetensors")
    assert isinstance(path, str) and Path(path).resolve().name == SHA256
    problems = client.HfApi().verify_repo_checksums(NAME).mismatches
    assert [problem["path"] for problem in problems] == ["model.safetensors"]


@pytest.mark.parametrize(("file", "size"), [("model.safetensors", 1000), ("config.json", 5)])
def test_the_client_refuses_another_length(
    hub: FakeHub, repo: Repo, tmp_path: Path, file: str, size: int
) -> None:
    hub.alter(lambda body: body[:size], path=f"*{file}")
    with pytest.raises(
        OSError, match=rf"file should be of size {len(FILES[file])} but has size {size} "
    ) as error:
        fetch(file)
    assert type(error.value) is OSError
    assert not leftovers(tmp_path)
    hub.heal()
    assert fetch(file) == FILES[file]


def test_the_client_takes_all_that_comes(hub: FakeHub, repo: Repo, tmp_path: Path) -> None:
    hub.claim(10)
    with pytest.raises(OSError, match=r"file should be of size 10 but has size 1000000 "):
        fetch()
    assert not leftovers(tmp_path)
    hub.heal()
    hub.claim(None)
    assert fetch() == WEIGHTS


def test_the_client_waits_as_long_as_it_is_told(hub: FakeHub, repo: Repo) -> None:
    hub.limit(7, method="GET", times=2)
    assert fetch() == WEIGHTS
    assert hub.waits == [8, 8]
    hub.limit(7, path="/api/*")
    with pytest.raises(HfHubHTTPError, match="429 Too Many Requests"):
        client.model_info(NAME)
    assert hub.waits == [8, 8], "descriptions are asked for only once"


def test_a_broken_hub(hub: FakeHub, repo: Repo) -> None:
    hub.fail(500, times=1)
    assert fetch() == WEIGHTS
    hub.fail(500)
    assert fetch() == WEIGHTS, "from the cache"
    assert not hub.waits
    with pytest.raises(LocalEntryNotFoundError, match="An error happened while trying to locate") as error:
        fetch("config.json")
    assert "500 Internal Server Error" in str(error.value.__cause__)
    assert hub.waits == [1, 2, 4, 8, 8]


def test_a_slow_hub(hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.slow(0.01, 2**18, path="*model.safetensors")
    assert fetch() == WEIGHTS
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.slow(5, path="*config.json", method="GET")
    with pytest.raises(httpx2.ReadTimeout, match="timed out"):
        fetch("config.json")
    assert hub.waits == [1] * 5
    hub.slow(5, method="HEAD")
    with pytest.raises(httpx2.ReadTimeout):
        client.get_hf_file_metadata(client.hf_hub_url(NAME, "README.md"), timeout=0.1)


def test_no_hub(hub: FakeHub, repo: Repo) -> None:
    fetch()
    hub.stop()
    assert fetch() == WEIGHTS
    with pytest.raises(LocalEntryNotFoundError) as error:
        fetch("config.json")
    assert isinstance(error.value.__cause__, httpx2.ConnectError)
    with pytest.raises(httpx2.ConnectError):
        client.model_info(NAME)


def test_offline(hub: FakeHub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetch()
    hub.log.clear()
    hub.environment(monkeypatch, tmp_path / "home", offline=True)
    assert fetch() == WEIGHTS
    with pytest.raises(LocalEntryNotFoundError):
        fetch("config.json")
    with pytest.raises(OfflineModeIsEnabled, match="offline mode is enabled"):
        client.model_info(NAME)
    assert not hub.log


# Access


def test_what_is_not_there(hub: FakeHub, repo: Repo) -> None:
    with pytest.raises(RemoteEntryNotFoundError, match="Entry Not Found"):
        fetch("nothing.bin")
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: v9"):
        fetch(revision="v9")
    with pytest.raises(RepositoryNotFoundError, match="401 Client Error"):
        client.hf_hub_download("lab/nothing", "config.json")
    with pytest.raises(RepositoryNotFoundError, match="404 Client Error"):
        client.hf_hub_download("lab/nothing", "config.json", token=STRANGER)
    assert (client.repo_exists(NAME), client.repo_exists("lab/nothing")) == (True, False)


def test_private_repositories_are_only_for_their_owner(hub: FakeHub, repo: Repo) -> None:
    repo.private = True
    for token, status in ((None, 401), (STRANGER, 404)):
        with pytest.raises(RepositoryNotFoundError, match=f"{status} Client Error"):
            fetch(**{"token": token} if token else {})
        with pytest.raises(RepositoryNotFoundError):
            client.model_info(NAME, token=token)
    assert fetch(token=READER) == WEIGHTS
    assert client.model_info(NAME, token=READER).private


def test_gated_repositories_are_only_for_the_granted(hub: FakeHub, repo: Repo) -> None:
    repo.gated = True
    with pytest.raises(GatedRepoError, match="401 Client Error"):
        fetch()
    with pytest.raises(GatedRepoError, match="403 Client Error"):
        fetch(token=STRANGER)
    assert client.model_info(NAME).gated == "manual"
    repo.granted.add("bob")
    assert fetch(token=STRANGER) == WEIGHTS


def test_a_token_of_nobody_is_refused_for_public_files_too(hub: FakeHub, repo: Repo) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header") as error:
        fetch(token="hf_nobody")
    assert not isinstance(error.value, RepositoryNotFoundError)
    assert client.whoami(token=WRITER)["name"] == "ada"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        client.whoami(token="hf_nobody")


# Uploads


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "upload"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def writer(hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHub:
    """The hub, for a user whose token is in the environment."""
    hub.environment(monkeypatch, tmp_path / "home", WRITER)
    client.create_repo(NAME)
    return hub


def test_a_folder_is_one_commit_and_the_same_folder_is_none(writer: FakeHub, folder: Path) -> None:
    (folder / "big.txt").write_bytes(bytes(10 * 2**20 + 1))
    repo = writer.repos[NAME]
    first = client.upload_folder(repo_id=NAME, folder_path=folder, commit_message="Weights")
    files = repo.at("main").files
    assert {name for name, file in files.items() if file.lfs} == {"big.txt", "model.safetensors"}
    assert {name: fetch(name) for name in FILES} == FILES
    assert fetch("big.txt") == bytes(10 * 2**20 + 1)
    assert (first.oid, repo.commits[first.oid].title, len(repo.commits)) == (repo.head, "Weights", 2)
    writer.log.clear()
    second = client.upload_folder(repo_id=NAME, folder_path=folder, commit_message="Again")
    assert (second.oid, len(repo.commits)) == (first.oid, 2)
    assert not writer.requests("PUT") and not writer.requests("POST", "*/commit/*")


def test_upload_in_parts(writer: FakeHub) -> None:
    writer.part_size = 300_000
    client.upload_file(repo_id=NAME, path_or_fileobj=WEIGHTS, path_in_repo="model.safetensors")
    assert [len(request.body) for request in writer.requests("PUT")] == [300_000] * 3 + [100_000]
    assert writer.repos[NAME].read("model.safetensors") == WEIGHTS


def test_faults_of_uploads(writer: FakeHub, folder: Path) -> None:
    repo = writer.repos[NAME]
    begin = repo.head
    writer.fail(403, method="PUT")
    with pytest.raises(RuntimeError, match=r"Error while uploading 'model\.safetensors'") as error:
        client.upload_folder(repo_id=NAME, folder_path=folder)
    assert "403 Forbidden" in str(error.value.__cause__)
    writer.heal()
    writer.fail(500, method="PUT", times=1)
    writer.limit(3, path="*/commit/*", times=1)
    with pytest.raises(HfHubHTTPError, match="429 Too Many Requests"):
        client.upload_folder(repo_id=NAME, folder_path=folder)
    assert (writer.waits, repo.head) == ([1], begin), "the storage is tried again, the commit is not"
    writer.cut(0, method="POST", path="*/commit/*", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        client.upload_folder(repo_id=NAME, folder_path=folder)
    assert repo.commits[repo.head].parent == begin, "done, only the answer was lost"
    assert client.upload_folder(repo_id=NAME, folder_path=folder).oid == repo.head


def test_who_may_write(hub: FakeHub, repo: Repo, folder: Path) -> None:
    with pytest.raises(RepositoryNotFoundError, match="401 Client Error"):
        client.upload_folder(repo_id=NAME, folder_path=folder)
    for token in (READER, STRANGER):
        with pytest.raises(HfHubHTTPError, match=f"403 Forbidden: The token may not write to {NAME}"):
            client.upload_folder(repo_id=NAME, folder_path=folder, token=token)
        with pytest.raises(HfHubHTTPError, match="403 Forbidden: You don't have the rights to"):
            client.create_repo("lab/other", token=token)
    assert len(repo.commits) == 2


def test_commits_delete_and_know_their_parent(writer: FakeHub, folder: Path) -> None:
    client.upload_folder(repo_id=NAME, folder_path=folder)
    client.delete_file("config.json", NAME)
    assert "config.json" not in client.list_repo_files(NAME)
    with pytest.raises(RemoteEntryNotFoundError, match=r"A file with this name doesn't exist: config\.json"):
        client.delete_file("config.json", NAME)
    with pytest.raises(HfHubHTTPError, match=r"412 Precondition Failed(.|\n)*A commit has happened since"):
        client.upload_folder(repo_id=NAME, folder_path=folder, parent_commit="0" * 40)
    client.upload_folder(repo_id=NAME, folder_path=folder, delete_patterns="*", allow_patterns="*.md")
    assert sorted(client.list_repo_files(NAME)) == [".gitattributes", "README.md"]


def test_repositories_and_tags(writer: FakeHub) -> None:
    assert client.create_repo(NAME, exist_ok=True).repo_id == NAME
    with pytest.raises(HfHubHTTPError, match="409 Conflict"):
        client.create_repo(NAME)
    client.create_repo("lab/hidden", private=True)
    assert writer.repos["lab/hidden"].private
    repo = writer.repos[NAME]
    client.create_tag(NAME, tag="v1")
    repo.commit({"a.txt": b"1"})
    with pytest.raises(HfHubHTTPError, match="409 Conflict"):
        client.create_tag(NAME, tag="v1")
    client.create_tag(NAME, tag="v1", exist_ok=True)
    refs = client.list_repo_refs(NAME)
    first = repo.commits[repo.head].parent
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1", first)], "it was not moved"
    assert [(ref.name, ref.target_commit) for ref in refs.branches] == [("main", repo.head)]
    client.delete_tag(NAME, tag="v1")
    assert not repo.tags


def test_descriptions(repo: Repo) -> None:
    info = client.model_info(NAME, files_metadata=True)
    assert (info.sha, info.private, info.gated, info.library_name) == (repo.head, False, False, "affectzoo")
    assert info.card_data and (info.card_data.license, info.card_data.tags) == ("mit", ["faces"])
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or []}
    assert {name: sizes[name] for name in FILES} == {name: len(content) for name, content in FILES.items()}
    assert client.model_info(NAME, revision=next(iter(repo.commits))).card_data is None


def test_cards(writer: FakeHub) -> None:
    result = client.EvalResult("image-classification", "ferplus", "FER+", "accuracy", 0.86)
    data = client.ModelCardData(license="mit", model_name="net", eval_results=[result])
    card = client.ModelCard(f"---\n{data.to_yaml()}\n---\n\n# Net\n")
    card.validate()
    card.push_to_hub(NAME)
    read = client.ModelCard.load(NAME)
    assert (read.text, read.data.license) == ("\n# Net\n", "mit")
    assert read.data.eval_results and read.data.eval_results[0].metric_value == 0.86
    card.data.license = "my-own"
    with pytest.raises(ValueError, match='"license" must be one of'):
        card.push_to_hub(NAME)
    with pytest.raises(ValueError, match=r'Invalid metadata in README.md.\n- "license" must be one of'):
        client.upload_file(repo_id=NAME, path_or_fileobj=str(card).encode(), path_in_repo="README.md")
    with pytest.raises(ValueError, match=r'"model-index\[0\].results\[0\].dataset.name" is required'):
        broken = str(read).replace("name: FER+", "split: test").encode()
        client.upload_file(repo_id=NAME, path_or_fileobj=broken, path_in_repo="README.md")
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        client.upload_file(repo_id=NAME, path_or_fileobj=b"# Net", path_in_repo="README.md")


# The stand-in itself


def test_what_is_not_imitated_says_so(hub: FakeHub, repo: Repo) -> None:
    with pytest.raises(HfHubHTTPError, match="not imitated: GET /api/datasets/lab/net"):
        client.dataset_info(NAME)


def test_environment_is_undone(tmp_path: Path) -> None:
    before = vars(constants).copy()
    with pytest.MonkeyPatch.context() as monkeypatch, FakeHub() as hub:
        hub.environment(monkeypatch, tmp_path, WRITER)
        assert constants.ENDPOINT == client.HfApi().endpoint == hub.endpoint
        assert client.hf_hub_url(NAME, "a").startswith(hub.endpoint)
        assert (client.get_token(), constants.HF_HUB_CACHE) == (WRITER, str(tmp_path / "hub"))
    assert vars(constants) == before


def test_other_processes_use_it_by_their_environment(hub: FakeHub, repo: Repo, tmp_path: Path) -> None:
    command = f"import huggingface_hub as h; print(h.hf_hub_download({NAME!r}, 'config.json'))"
    variables = {**os.environ, **hub.variables(tmp_path / "other", READER)}
    done = subprocess.run(
        [sys.executable, "-c", command], env=variables, check=True, capture_output=True, text=True
    )
    path = Path(done.stdout.strip())
    assert path.is_relative_to(tmp_path / "other") and path.read_bytes() == FILES["config.json"]
    assert hub.requests("GET", "*/config.json")[0].headers["authorization"] == f"Bearer {READER}"
