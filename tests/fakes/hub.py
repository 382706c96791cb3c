"""A stand-in for the Hugging Face Hub: the part of its protocol that the real client uses for models.

    with FakeHub() as hub:
        hub.environment(monkeypatch, tmp_path)
        repo = hub.create("owner/name", {"README.md": b"# Card", "model.safetensors": b"..."})
        hf_hub_download("owner/name", "model.safetensors")
        assert hub.requests("GET")

Two servers run on 127.0.0.1: the Hub itself (``endpoint``) and the storage of large files (``storage``),
another origin as it is in reality: the client must not send its token there, and gets an error if it does.

What was not imitated is answered with status 501 and says so: data sets and spaces, pull requests, Xet (see
``FakeHub.variables``), pages of long listings, compressed answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import httpx2
import pytest
import yaml
from huggingface_hub import constants, file_download, hf_api
from huggingface_hub.utils import _detect_agent, _http

REGULAR_LIMIT = 10 * 2**20
"""Bytes; larger files are large files whatever their name."""
LFS_ENDINGS = "7z arrow bin bz2 ckpt gz h5 npy npz onnx parquet pkl pt pth safetensors tar tgz xz zip zst"
GITATTRIBUTES = "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in LFS_ENDINGS.split())
LICENSES = (
    "afl-3.0 agpl-3.0 apache-2.0 bsd bsd-2-clause bsd-3-clause bsl-1.0 cc cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 "
    "cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 "
    "cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 "
    "lgpl-3.0 mit mpl-2.0 openrail other unknown unlicense"
).split()
"""Those of the Hub's license identifiers that a model of this library may have."""
NO_LOGIN = "Invalid username or password."


Changes = Mapping[str, "bytes | File | None"]
"""New content by path; ``None`` deletes."""


class Problem(Exception):
    """An answer that is an error, with the codes by which the client chooses its exception."""

    def __init__(self, status: int, code: str | None, message: str, **more: Any) -> None:
        self.reply = error(status, code, message, **more)


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        body: Whole; a range is cut out of it where the request asks for one.
        cut: The connection ends after that many bytes of the body.
        delay: Seconds before the first line and before each chunk of the body.
        chunk: Bytes that are sent at once.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    delay: float = 0
    chunk: int = 2**16


def answer(data: Any, status: int = 200, **headers: str) -> Reply:
    """JSON."""
    body = json.dumps(data, default=str).encode()
    return Reply(body, status, {"Content-Type": "application/json", **headers})


def error(status: int, code: str | None, message: str, **more: Any) -> Reply:
    """JSON and headers as the Hub's errors have them; ``more`` goes into the JSON."""
    headers = {"X-Error-Message": " ".join(message.split())} | ({"X-Error-Code": code} if code else {})
    return answer({"error": message, **more}, status, **headers)


@dataclass(frozen=True)
class Request:
    """A request as it came.

    Attributes:
        site: ``hub`` or ``storage``.
        path: Without the query, still quoted.
        headers: Names in lower case.
        status: Of the answer, in the log.
    """

    site: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    status: int = 0

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class User:
    """Whose token it is.

    Attributes:
        orgs: Organisations; a user reads and writes what is theirs as well.
        write: Whether the token may write.
    """

    name: str
    orgs: tuple[str, ...] = ()
    write: bool = True

    def owns(self, repo_id: str) -> bool:
        return repo_id.split("/")[0] in (self.name, *self.orgs)


@dataclass(frozen=True)
class File:
    """A file of a commit; ``lfs``: its content is in the storage and a pointer in git."""

    content: bytes = field(repr=False)
    lfs: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def oid(self) -> str:
        """Git's SHA-1 of the blob: of the pointer for a large file."""
        blob = self.pointer if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    @property
    def pointer(self) -> bytes:
        line = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
        return line.format(self.sha256, len(self.content)).encode()

    @property
    def etag(self) -> str:
        """By what the client recognises the content."""
        return self.sha256 if self.lfs else self.oid

    def described(self, path: str) -> dict[str, Any]:
        """An entry of a listing."""
        entry = {"type": "file", "oid": self.oid, "size": len(self.content), "path": path}
        large = {"oid": self.sha256, "size": len(self.content), "pointerSize": len(self.pointer)}
        return {**entry, "lfs": large} if self.lfs else entry

    def sibling(self, path: str) -> dict[str, Any]:
        """An entry in the description of a repository: the same in other words."""
        entry = {"rfilename": path, "size": len(self.content), "blobId": self.oid}
        large = {"sha256": self.sha256, "size": len(self.content), "pointerSize": len(self.pointer)}
        return {**entry, "lfs": large} if self.lfs else entry


@dataclass(frozen=True)
class Commit:
    """The whole content of a repository at a time."""

    oid: str
    files: Mapping[str, File]
    title: str
    parent: str | None


class Repo:
    """A repository of a model.

    Attributes:
        commits: By their 40 hexadecimal digits, in the order in which they were made.
        branches: Commit by name; may be changed to move a branch.
        tags: Commit by name; may be changed to move a tag.
        private: Whether only its owner sees it.
        gated: Whether files are only for the owner and for users in ``granted``.
        stored: Content of large files by SHA-256, of any commit or of none yet.
    """

    def __init__(self, repo_id: str, *, private: bool = False, gated: bool = False) -> None:
        self.id = repo_id
        self.private = private
        self.gated = gated
        self.granted: set[str] = set()
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.stored: dict[str, bytes] = {}
        self.commit({".gitattributes": GITATTRIBUTES.encode()}, "initial commit")

    @property
    def head(self) -> str:
        """The commit of ``main``."""
        return self.branches["main"]

    def at(self, revision: str) -> Commit:
        """The commit of a branch, a tag or 40 hexadecimal digits."""
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        if oid not in self.commits:
            raise Problem(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return self.commits[oid]

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's content."""
        return self.at(revision).files[path].content

    def is_large(self, path: str, size: int) -> bool:
        """Whether the Hub wants a file in the storage: by ``.gitattributes`` of main or by its size."""
        rules = self.read(".gitattributes").decode() if self.branches else ""
        patterns = [line.split()[0] for line in rules.splitlines() if "filter=lfs" in line]
        return size > REGULAR_LIMIT or any(
            fnmatchcase(path if "/" in pattern else PurePosixPath(path).name, pattern) for pattern in patterns
        )

    def commit(self, changes: Changes, title: str = "commit", branch: str = "main") -> str:
        """Add a commit to a branch, which is begun where it is new, and return its digits.

        Bytes are stored where the Hub wants them: in git or, as large files, in the storage.
        """
        parent = self.branches.get(branch)
        files = dict(self.commits[parent].files) if parent else {}
        for path, change in changes.items():
            if change is None:
                del files[path]
            else:
                file = change if isinstance(change, File) else File(change, self.is_large(path, len(change)))
                files[path] = file
                if file.lfs:
                    self.stored[file.sha256] = file.content
        content = sorted((path, file.oid) for path, file in files.items())
        identity = repr((self.id, len(self.commits), parent, title, content))
        oid = hashlib.sha1(identity.encode()).hexdigest()
        self.commits[oid] = Commit(oid, files, title, parent)
        self.branches[branch] = oid
        return oid


def card_data(text: str) -> dict[str, Any]:
    """The YAML block at the top of a model card.

    Raises:
        ValueError: It is not YAML or not a mapping.
    """
    block = re.match(r"---\r?\n(.*?)\r?\n?---", text, re.DOTALL)
    try:
        data = yaml.safe_load(block[1]) if block else {}
    except yaml.YAMLError as problem:
        raise ValueError(f"Invalid YAML: {problem}") from None
    if not isinstance(data, dict):
        raise ValueError("Metadata must be a mapping")
    return data


def card_problems(text: str) -> list[str]:
    """What the Hub refuses in a card's metadata: some of its rules, in words of their own."""
    try:
        data = card_data(text)
    except ValueError as problem:
        return [str(problem)]
    found = []
    if "license" in data and data["license"] not in LICENSES:
        found.append(f'"license" must be one of [{", ".join(LICENSES)}]')
    for i, model in enumerate(data.get("model-index") or []):
        found += [f'"model-index[{i}].{key}" is required' for key in ("name", "results") if key not in model]
        for j, result in enumerate(model.get("results") or []):
            where = f"model-index[{i}].results[{j}]"
            needed = [("task", "type"), ("dataset", "type"), ("dataset", "name")]
            missing = [f"{key}.{part}" for key, part in needed if part not in result.get(key, {})]
            for k, metric in enumerate(result.get("metrics") or []):
                missing += [f"metrics[{k}].{part}" for part in ("type", "value") if part not in metric]
            found += [f'"{where}.{part}" is required' for part in missing]
    return found


@dataclass
class _Fault:
    change: Callable[[Callable[[], Reply]], Reply]
    path: str = "*"
    method: str = "*"
    times: int | None = None

    def applies(self, request: Request) -> bool:
        matches = fnmatchcase(unquote(request.path), self.path) and fnmatchcase(request.method, self.method)
        if not matches or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


_ROUTES: list[tuple[re.Pattern[str], Callable[..., Reply]]] = []


def _route(pattern: str) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Say which requests a method answers: ``site method path``."""
    parts = {"repo": "[^/]+/[^/]+", "revision": "[^/]+", "path": ".+", "oid": "[0-9a-f]{64}"}
    for name, part in parts.items():
        pattern = pattern.replace(f"<{name}>", f"(?P<{name}>{part})")

    def register(method: Callable[..., Reply]) -> Callable[..., Reply]:
        _ROUTES.append((re.compile(pattern), method))
        return method

    return register


class FakeHub:
    """The server: a context manager that runs while it is open.

    Attributes:
        tokens: User by token; any other token is answered with 401.
        repos: Repositories by ``OWNER/NAME``.
        log: The requests that came, in the order of their answers.
        waits: Seconds that the client in this process wanted to sleep before it tried again.
        endpoint: The Hub's address.
        storage: The address of the storage of large files.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, User] = {}
        self.repos: dict[str, Repo] = {}
        self.log: list[Request] = []
        self.waits: list[float] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        handlers = (partial(_Handler, self, site) for site in ("hub", "storage"))
        self._servers = [_Server(("127.0.0.1", 0), handler) for handler in handlers]
        self.endpoint, self.storage = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuse every connection from now on, as when the network is gone; may be called twice."""
        if not self._closed.is_set():
            self._closed.set()
            for server in self._servers:
                server.shutdown()
                server.server_close()

    # The client's settings

    def variables(self, home: Path, token: str | None = None, *, offline: bool = False) -> dict[str, str]:
        """Environment variables for a new process whose Hub is this one.

        Uploads go through Xet wherever the client has hf-xet: it does not ask the server, hence
        ``HF_HUB_DISABLE_XET``. Downloads use Xet only where the server's headers offer it. A new process asks
        for ``/api/agent-harnesses`` once. Its waits before another try (1, 2, 4, 8, 8 s) cannot be shortened.
        """
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN": token or "",
            "HUGGING_FACE_HUB_TOKEN": "",
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": str(int(offline)),
            "TRANSFORMERS_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
        }

    def environment(
        self, monkeypatch: pytest.MonkeyPatch, home: Path, token: str | None = None, *, offline: bool = False
    ) -> None:
        """Let the client use this Hub: in this process and in those that it starts; may be called again.

        ``huggingface_hub.constants`` reads the environment when it is imported, so its source is run again
        under the new one and what differs is set. Besides, the functions of the package are methods of one
        ``HfApi`` that remembers its endpoint, and the progress bars have a copy of their switch. Only default
        values of arguments stay, such as the timeout of ``get_hf_file_metadata``. The token is read from the
        environment at each use.

        Two things make tests fast: ``time.sleep`` between tries is replaced by a note in ``waits``, and the
        HTTP client does not load certificates (half a second, and again after each refused connection).
        """
        for name, value in self.variables(home, token, offline=offline).items():
            monkeypatch.setenv(name, value)
        fresh = runpy.run_path(str(constants.__file__))
        for name in filter(str.isupper, vars(constants).copy()):
            if fresh[name] != getattr(constants, name):
                monkeypatch.setattr(constants, name, fresh[name])
        bars = sys.modules["huggingface_hub.utils.tqdm"]  # the package has a class of that name
        monkeypatch.setattr(bars, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        monkeypatch.setattr(hf_api.api, "endpoint", self.endpoint)
        monkeypatch.setattr(_detect_agent, "_registry", _detect_agent._EMPTY_REGISTRY)
        monkeypatch.setattr(_http, "_GLOBAL_CLIENT", None)
        monkeypatch.setattr(_http, "_GLOBAL_CLIENT_FACTORY", _client)
        for module in (_http, file_download):
            monkeypatch.setattr(module, "time", SimpleNamespace(sleep=self.waits.append))

    # What tests do with it

    def create(self, repo_id: str, files: Changes | None = None, **access: bool) -> Repo:
        """A new repository (``private``, ``gated``), with one commit more where there are files."""
        repo = self.repos[repo_id] = Repo(repo_id, **access)
        if files:
            repo.commit(files)
        return repo

    def requests(self, method: str = "*", path: str = "*") -> list[Request]:
        """The requests whose method and path match (shell patterns)."""
        return [r for r in self.log if fnmatchcase(r.method, method) and fnmatchcase(unquote(r.path), path)]

    def fail(self, status: int, code: str | None = None, message: str = "", **where: Any) -> None:
        """Answer with an error instead of doing what was asked.

        Args:
            status: HTTP status.
            code: ``RepoNotFound``, ``RevisionNotFound``, ``EntryNotFound`` or ``GatedRepo``.
            message: For people.
            **where: Of this and the other faults: ``path`` and ``method``, shell patterns (large files have
                their name in the storage's paths as well); ``times``, how many answers the fault lasts.
        """
        reply = error(status, code, message or HTTPStatus(status).phrase)
        self._faults.append(_Fault(lambda usual: reply, **where))

    def limit(self, seconds: int, **where: Any) -> None:
        """Answer with status 429 and say after how many seconds to come back."""
        reply = replace(error(429, None, "Rate limited"), headers={"Retry-After": str(seconds)})
        self._faults.append(_Fault(lambda usual: reply, **where))

    def cut(self, after: int, **where: Any) -> None:
        """End the connection after that many bytes of the body; its length is announced in full."""
        self._faults.append(_Fault(lambda usual: replace(usual(), cut=after), **{"method": "GET", **where}))

    def alter(self, change: Callable[[bytes], bytes], **where: Any) -> None:
        """Send another body with its own length; etag and size of the right one stay in other headers."""

        def altered(usual: Callable[[], Reply]) -> Reply:
            reply = usual()
            return replace(reply, body=change(reply.body))

        self._faults.append(_Fault(altered, **{"method": "GET", **where}))

    def claim(self, size: int | None, **where: Any) -> None:
        """Say that files have another size or, of large ones, none; what is sent stays as it is."""

        def claimed(usual: Callable[[], Reply]) -> Reply:
            reply = usual()
            rest = {name: value for name, value in reply.headers.items() if name != "X-Linked-Size"}
            return replace(reply, headers=rest if size is None else {**rest, "X-Linked-Size": str(size)})

        self._faults.append(_Fault(claimed, **{"method": "HEAD", **where}))

    def lie(self, said: Mapping[str, str | None], **where: Any) -> None:
        """Answer with other headers; ``None`` leaves one out."""

        def lied(usual: Callable[[], Reply]) -> Reply:
            reply = usual()
            headers = {**reply.headers, **said}
            return replace(reply, headers={n: v for n, v in headers.items() if v is not None})

        self._faults.append(_Fault(lied, **where))

    def slow(self, delay: float, chunk: int = 2**16, **where: Any) -> None:
        """Wait that many seconds before the answer begins and before each chunk of the body."""
        self._faults.append(_Fault(lambda usual: replace(usual(), delay=delay, chunk=chunk), **where))

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()

    # Answers

    def answer(self, request: Request) -> Reply:
        """The answer, after the faults; it is in the log before it is sent."""
        reply = partial(self._usual, request)
        with self._lock:
            for fault in self._faults:
                if fault.applies(request):
                    reply = partial(fault.change, reply)
            final = _ranged(reply(), request.headers.get("range"))
            self.log.append(replace(request, status=final.status))
        return final

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the server runs."""
        if seconds:
            self._closed.wait(seconds)

    def _usual(self, request: Request) -> Reply:
        try:
            for pattern, method in _ROUTES:
                if match := pattern.fullmatch(f"{request.site} {request.method} {request.path}"):
                    return method(self, request, **{k: unquote(v) for k, v in match.groupdict("").items()})
        except Problem as problem:
            return problem.reply
        except Exception as mistake:  # of the stand-in; the client does not try again after 501
            return error(501, None, f"the stand-in failed: {mistake!r}")
        return error(501, None, f"not imitated: {request.method} {request.path}")

    def _user(self, request: Request) -> User | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self.tokens:
            raise Problem(401, None, "Invalid credentials in Authorization header")
        return self.tokens.get(token)

    def _login(self, request: Request) -> User:
        user = self._user(request)
        if user is None:
            raise Problem(401, None, NO_LOGIN)
        return user

    def _repo(self, request: Request, repo_id: str, *, write: bool = False) -> Repo:
        user, repo = self._user(request), self.repos.get(repo_id)
        owner = user is not None and user.owns(repo_id)
        hidden = repo is None or (repo.private and not owner)
        if user is None and (hidden or write):
            # The real Hub needs no code here: on https the client takes 401 for a missing repository.
            raise Problem(401, "RepoNotFound", NO_LOGIN)
        if repo is None or hidden:
            raise Problem(404, "RepoNotFound", "Repository not found")
        if write and not (user and user.write and owner):
            raise Problem(403, None, f"The token may not write to {repo_id}")
        return repo

    @_route("hub (?:GET|HEAD) /<repo>/resolve/<revision>/<path>")
    def _resolve(self, request: Request, repo: str, revision: str, path: str) -> Reply:
        home, user = self._repo(request, repo), self._user(request)
        if home.gated and not (user and (user.owns(repo) or user.name in home.granted)):
            reason = "you are not in the authorized list" if user else "you are not logged in"
            raise Problem(403 if user else 401, "GatedRepo", f"{repo} is restricted: {reason}")
        commit = home.at(revision)
        headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        if path not in commit.files:
            missing = error(404, "EntryNotFound", "Entry not found")
            return replace(missing, headers={**missing.headers, **headers})
        file = commit.files[path]
        if not file.lfs:
            return Reply(file.content, headers={**headers, "ETag": f'"{file.oid}"'})
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.content))}
        address = f"{self.storage}/{repo}/{file.sha256}/{PurePosixPath(path).name}?signature=0"
        return Reply(b"Found", 302, {**headers, "ETag": f'"{file.oid}"', "Location": address})

    @_route("hub GET /api/models/<repo>")
    def _info(self, request: Request, repo: str, revision: str = "main") -> Reply:
        home = self._repo(request, repo)
        commit = home.at(revision)
        data: dict[str, Any] = {}
        if "README.md" in commit.files:
            data = card_data(commit.files["README.md"].content.decode())
        siblings = [{"rfilename": path} for path in commit.files]
        if "blobs" in request.query:
            siblings = [file.sibling(path) for path, file in commit.files.items()]
        card = {"cardData": data, "tags": data.get("tags", []), "model-index": data.get("model-index")}
        card |= {key: data[key] for key in ("pipeline_tag", "library_name") if key in data}
        access = {"private": home.private, "gated": "manual" if home.gated else False, "disabled": False}
        return answer(
            {"id": repo, "modelId": repo, "author": repo.split("/")[0], "sha": commit.oid}
            | {"siblings": siblings, "downloads": 0, "likes": 0, **access, **card}
            | {"lastModified": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z"}
        )

    @_route("hub GET /api/models/<repo>/revision/<revision>")
    def _info_at(self, request: Request, repo: str, revision: str) -> Reply:
        return self._info(request, repo, revision)

    @_route("hub GET /api/models/<repo>/tree/<revision>(?:/<path>)?")
    def _tree(self, request: Request, repo: str, revision: str, path: str = "") -> Reply:
        commit = self._repo(request, repo).at(revision)
        top = PurePosixPath(path)
        inside = [name for name in map(PurePosixPath, commit.files) if top in name.parents]
        if path and not inside:
            raise Problem(404, "EntryNotFound", f"{path} does not exist on {revision}")
        folders = sorted({folder for name in inside for folder in name.parents if top in folder.parents})
        common: dict[str, Any] = {"type": "directory", "oid": commit.oid, "size": 0}
        entries = [{**common, "path": str(folder)} for folder in folders]
        entries += [commit.files[str(name)].described(str(name)) for name in inside]
        recursive = request.query.get("recursive", [""])[0].lower() in ("1", "true")
        return answer([entry for entry in entries if recursive or PurePosixPath(entry["path"]).parent == top])

    @_route("hub POST /api/models/<repo>/paths-info/<revision>")
    def _paths_info(self, request: Request, repo: str, revision: str) -> Reply:
        files = self._repo(request, repo).at(revision).files
        asked = parse_qs(request.body.decode()).get("paths", [])
        return answer([files[path].described(path) for path in asked if path in files])

    @_route("hub GET /api/models/<repo>/refs")
    def _refs(self, request: Request, repo: str) -> Reply:
        home = self._repo(request, repo)
        kinds = {"branches": ("heads", home.branches), "tags": ("tags", home.tags)}
        listed = {
            kind: [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": oid} for n, oid in names.items()]
            for kind, (folder, names) in kinds.items()
        }
        return answer({**listed, "converts": [], "pullRequests": []})

    @_route("hub GET /api/whoami-v2")
    def _whoami(self, request: Request) -> Reply:
        user = self._login(request)
        orgs = [{"type": "org", "name": org} for org in user.orgs]
        token = {"displayName": "test", "role": "write" if user.write else "read"}
        auth = {"type": "access_token", "accessToken": token}
        return answer({"type": "user", "name": user.name, "fullname": user.name, "orgs": orgs, "auth": auth})

    @_route("hub GET /api/agent-harnesses")
    def _harnesses(self, request: Request) -> Reply:
        return answer({"standardEnvVars": [], "harnesses": {}})

    @_route("hub POST /api/validate-yaml")
    def _validate(self, request: Request) -> Reply:
        text = request.json()["content"]
        found = card_problems(text)
        status = 400 if found else 200
        if request.headers.get("accept") == "text/plain":
            return Reply("\n".join(found).encode(), status, {"Content-Type": "text/plain"})
        warnings = [] if text.startswith("---") else ["empty or missing yaml metadata in repo card"]
        messages = {"errors": found, "warnings": warnings}
        return answer({k: [{"message": line} for line in lines] for k, lines in messages.items()}, status)

    @_route("hub POST /api/repos/create")
    def _create(self, request: Request) -> Reply:
        user, asked = self._login(request), request.json()
        repo_id = f"{asked.get('organization') or user.name}/{asked['name']}"
        if asked.get("type", "model") != "model":
            raise Problem(501, None, f"not imitated: repositories of type {asked['type']}")
        if not (user.write and user.owns(repo_id)):
            raise Problem(403, None, f"You don't have the rights to create {repo_id}")
        address = f"{self.endpoint}/{repo_id}"
        if repo_id in self.repos:
            raise Problem(409, None, "You already created this model repo", url=address)
        self.create(repo_id, private=asked.get("visibility") == "private")
        return answer({"url": address, "name": repo_id})

    @_route("hub POST /api/models/<repo>/tag/<revision>")
    def _tag(self, request: Request, repo: str, revision: str) -> Reply:
        home, name = self._repo(request, repo, write=True), request.json()["tag"]
        if name in home.tags:
            raise Problem(409, None, f"Tag reference exists already: refs/tags/{name}")
        home.tags[name] = home.at(revision).oid
        return answer({})

    # Uploads

    @_route("hub POST /api/models/<repo>/preupload/<revision>")
    def _preupload(self, request: Request, repo: str, revision: str) -> Reply:
        home = self._repo(request, repo, write=True)
        present = home.at(revision).files
        files = []
        for asked in request.json()["files"]:
            path = asked["path"]
            mode = "lfs" if home.is_large(path, asked["size"]) else "regular"
            oid = {"oid": present[path].etag} if path in present else {}
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **oid})
        return answer({"files": files, "commitOid": home.at(revision).oid})

    @_route("hub POST /<repo>.git/info/lfs/objects/batch")
    def _batch(self, request: Request, repo: str) -> Reply:
        home, asked = self._repo(request, repo, write=True), request.json()
        verify = {"href": f"{self.endpoint}/{repo}.git/info/lfs/objects/verify"}
        objects = []
        for wanted in asked["objects"]:
            oid = wanted["oid"]
            upload = {"href": f"{self.storage}/{repo}/{oid}/upload?signature=0"}
            actions = {} if oid in home.stored else {"actions": {"upload": upload, "verify": verify}}
            objects.append({"oid": oid, "size": wanted["size"], **actions})
        return answer({"transfer": "basic", "objects": objects})

    @_route("hub POST /<repo>.git/info/lfs/objects/verify")
    def _verify(self, request: Request, repo: str) -> Reply:
        wanted = request.json()
        content = self._repo(request, repo, write=True).stored.get(wanted["oid"])
        if content is None or len(content) != wanted["size"]:
            raise Problem(404, None, "The object is not in the storage or has another size")
        return answer({})

    @_route("hub POST /api/models/<repo>/commit/<revision>")
    def _commit(self, request: Request, repo: str, revision: str) -> Reply:
        home = self._repo(request, repo, write=True)
        if request.query.get("create_pr"):
            raise Problem(501, None, "not imitated: pull requests")
        if revision not in home.branches:
            raise Problem(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        lines = [json.loads(line) for line in request.body.splitlines()]
        header = lines[0]["value"]
        if not home.branches[revision].startswith(header.get("parentCommit", "")):
            raise Problem(412, None, "A commit has happened since. Please refresh and try again.")
        changes: dict[str, File | None] = {}
        for line in lines[1:]:
            changes |= _changes(home, revision, line["key"], line["value"])
        oid = home.commit(changes, header["summary"], revision)
        address = f"{self.endpoint}/{repo}/commit/{oid}"
        return answer({"success": True, "commitOid": oid, "commitUrl": address})

    # The storage: whoever has a signed address may use it, a token is one authorisation too many

    @_route("storage (?:GET|HEAD) /<repo>/<oid>/<path>")
    def _stored(self, request: Request, repo: str, oid: str, path: str) -> Reply:
        self._signed(request)
        return Reply(self.repos[repo].stored[oid], headers={"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})

    @_route("storage PUT /<repo>/<oid>/upload")
    def _put(self, request: Request, repo: str, oid: str) -> Reply:
        self._signed(request)
        return self._store(repo, oid, request.body)

    def _signed(self, request: Request) -> None:
        if "authorization" in request.headers or "signature" not in request.query:
            raise Problem(400, None, "Only one auth mechanism allowed: the address's signature")

    def _store(self, repo: str, oid: str, content: bytes) -> Reply:
        if hashlib.sha256(content).hexdigest() != oid:
            raise Problem(400, None, "The content has another SHA-256")
        self.repos[repo].stored[oid] = content
        return answer({})


def _changes(home: Repo, branch: str, key: str, value: dict[str, Any]) -> dict[str, File | None]:
    """One line of a commit as changes by path."""
    path, present = value["path"].rstrip("/"), home.at(branch).files
    if key == "file":
        content = base64.b64decode(value["content"])
        if problems := card_problems(content.decode()) if path == "README.md" else []:
            raise Problem(400, None, "Invalid metadata in README.md: " + "; ".join(problems))
        if len(content) > REGULAR_LIMIT:
            raise Problem(400, None, f"The commit contains files larger than 10 MiB: {path}")
        return {path: File(content)}
    if key == "lfsFile":
        if value["oid"] not in home.stored:
            raise Problem(400, None, f"LFS pointer pointed to a file that does not exist: {path}")
        return {path: File(home.stored[value["oid"]], lfs=True)}
    inside = [p for p in present if (p == path if key == "deletedFile" else p.startswith(f"{path}/"))]
    if not inside:
        raise Problem(404, "EntryNotFound", f"A file with this name doesn't exist: {path}")
    return dict.fromkeys(inside)


def _client() -> httpx2.Client:
    """As the client makes its own, less certificates and proxies."""
    return httpx2.Client(
        event_hooks={"request": [_http.hf_request_event_hook]},
        follow_redirects=True,
        timeout=None,
        verify=False,
        trust_env=False,
    )


def _ranged(reply: Reply, asked: str | None) -> Reply:
    """The part of a file that ``Range: bytes=START-[END]`` asks for."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    if not match or reply.status != 200 or "Accept-Ranges" not in reply.headers:
        return reply
    total, start = len(reply.body), int(match[1])
    if start >= total:
        return Reply(status=416, headers={"Content-Range": f"bytes */{total}"})
    body = reply.body[start : int(match[2]) + 1 if match[2] else total]
    span = f"bytes {start}-{start + len(body) - 1}/{total}"
    return replace(reply, body=body, status=206, headers={**reply.headers, "Content-Range": span})


class _Server(ThreadingHTTPServer):
    request_queue_size = 64  # connections may come faster than threads begin


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: FakeHub, site: str, *args: Any) -> None:
        self.hub = hub
        self.site = site
        super().__init__(*args)

    def handle_one_request(self) -> None:
        """Answer one request for each connection, so that none is answered after the server's end."""
        self.close_connection = True
        try:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                return
            self.close_connection = True
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = parse_qs(address.query)
            request = Request(self.site, self.command, address.path, query, headers, self._read())
            self._send(self.hub.answer(request))
        except ConnectionError:  # the client has seen enough
            pass

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, reply: Reply) -> None:
        self.hub.pause(reply.delay)
        self.send_response(reply.status)
        length = {"Content-Length": str(len(reply.body)), "Connection": "close"}
        for name, value in {**reply.headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        body = b"" if self.command == "HEAD" else reply.body[: reply.cut]
        for start in range(0, len(body), reply.chunk):
            self.hub.pause(reply.delay)
            self.wfile.write(body[start : start + reply.chunk])
