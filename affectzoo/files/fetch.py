"""Files from the Hugging Face Hub, fetched once; nothing here knows what they are.

The client asks, transfers, takes the token of ``HF_TOKEN`` or ``hf auth login``, and obeys ``HF_ENDPOINT``
and ``HF_HUB_OFFLINE``. Its cache is used as it is laid out: ``models--OWNER--NAME`` with ``blobs`` by ETag,
``snapshots`` by commit, ``refs`` by branch and tag. Added is what the client lacks: a short question before a
download; names from the server that cannot lead out of the cache; a limit to the bytes and to their slowness,
and none begun on a disk that is too full for them; a look at these bytes, which it does not compare with
their sha256; errors that say what to do.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from affectzoo.errors import OutputError, WeightsError
from affectzoo.files.guard import UnreachableError, guarded, within
from affectzoo.files.writing import write_text, writing

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata
    from huggingface_hub.utils.tqdm import tqdm

TIMEOUT = 5.0
"""Seconds to connect, and between two parts of the answer to the question whether a file is there."""

LARGEST = 8 * 2**30
"""Bytes of a file that is fetched; the largest network of the zoo has a fifteenth in float32."""

COMMIT = re.compile(r"[0-9a-f]{40}")

_NAME = re.compile(r"\w[\w./+-]{0,255}", re.ASCII)
_ETAG = re.compile(r"(?!\.)[\w.+=~-]{1,128}", re.ASCII)
"""What may name a file of the cache."""


@dataclass(frozen=True)
class HubFile:
    """A file on the Hub.

    Attributes:
        repo_id: ``OWNER/NAME``.
        file_name: Path inside the repository.
        revision: A commit's 40 hexadecimal digits, a branch or a tag.
        sha256: What the file must have, where it is known.
        limit: Bytes; a larger file is not fetched.
    """

    repo_id: str
    file_name: str
    revision: str
    sha256: str | None = None
    limit: int = LARGEST

    def __post_init__(self) -> None:
        """Refuse what could lead out of the cache, whoever said it."""
        for name in (self.file_name, self.revision):  # a repository's folder has no separators in its name
            if not _NAME.fullmatch(name) or ".." in name:
                raise WeightsError(f"{name[:80]!r} names nothing on the Hub")

    def __str__(self) -> str:
        return f"{self.file_name} of {self.repo_id}"


def home() -> Path:
    """The folder for what affectzoo keeps between uses; ``AFFECTZOO_HOME`` moves it."""
    return Path(os.path.expanduser(os.environ.get("AFFECTZOO_HOME") or "~/.cache/affectzoo"))  # noqa: PTH111


def sha256(path: Path) -> str:
    """The sha256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(file: HubFile) -> Path | None:
    """Where the cache has a file; of a branch or tag, as it was when it was last asked for."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(file.repo_id, file.file_name, revision=file.revision)
    return Path(found) if isinstance(found, str) else None


def fetch(file: HubFile) -> Path:
    """A file of the Hub, from the cache where it is there already: nobody is asked then.

    Its sha256 is compared once for each file and machine; a file that has another one is removed.

    Raises:
        WeightsError: It is not cached and cannot be fetched, or has another sha256; says why.
    """
    path = cached(file) or _download(file, _ask(file))
    if file.sha256 is not None and (other := wrong_sum(path, file.sha256)):
        forget(path)
        raise WeightsError(
            f"{file}: wrong bytes: sha256 is {other}, expected {file.sha256}. They were removed from "
            "the cache: try again. If that does not help, the repository's files do not belong together: "
            "tell its owner"
        )
    return path


def _check_space(file: HubFile, asked: HfFileMetadata) -> None:
    """Refuse to begin what will not fit: the client warns, and fills the disk."""
    cache = _cache()
    place = next((folder for folder in (cache, *cache.parents) if folder.is_dir()), Path())
    free, needed = shutil.disk_usage(place).free, asked.size or 0
    if needed > free and not _blob(file, asked).exists():  # another revision may have it
        raise WeightsError(
            f"{file}: not fetched: {needed:,} bytes, but {place} has {free:,} free: free some, or move the "
            "cache with HF_HUB_CACHE"
        )


def newest(file: HubFile) -> Path:
    """A file of the Hub as its branch or tag has it now, for one request where that is in the cache.

    Where the Hub cannot be reached, it is the file as it was when it was last asked for, with a warning.

    Raises:
        WeightsError: As ``fetch``; also where the Hub says that it is no more.
    """
    from huggingface_hub import is_offline_mode

    if COMMIT.fullmatch(file.revision) or is_offline_mode():
        return fetch(file)
    path = cached(file)
    try:
        asked = _ask(file)
        return path if path is not None and path.parent.name == asked.commit_hash else _download(file, asked)
    except UnreachableError as error:
        if path is None:
            raise
        warnings.warn(f"going on with what was fetched before, {path.parent.name}: {error}", stacklevel=2)
        return path


def forget(path: Path) -> None:
    """Remove a file from the cache, so that it is fetched again.

    Args:
        path: What ``fetch`` returned.

    Raises:
        WeightsError: The file, or the one that it is a link to, lies elsewhere.
    """
    names = [path, path.parent / path.readlink()] if path.is_symlink() else [path]
    for name in names:
        if not _is_cached(name):
            raise WeightsError(f"{name}: lies outside the Hub's cache and is not removed; delete it yourself")
    for name in names:
        name.unlink(missing_ok=True)


def _is_cached(path: Path) -> bool:
    """Whether a file, whatever it is a link to, lies in the folder of a repository in the cache."""
    cache = Path(os.path.realpath(_cache()))
    place = Path(os.path.realpath(path.parent))
    repositories = (
        os.path.realpath(folder) for folder in cache.glob("models--*")
    )  # may have been moved and linked
    return any(place.is_relative_to(repository) for repository in repositories)


def mark(test: str, path: Path) -> Path:
    """Where it is noted that a file, as it is now, passed a test on this machine.

    Args:
        test: Which, with all that its result depends on beside the file.
        path: The file.
    """
    state = path.stat()
    told = f"{test}\n{os.path.realpath(path)} {state.st_size} {state.st_mtime_ns}"
    return home() / "passed" / hashlib.sha256(told.encode()).hexdigest()


def leave(place: Path) -> None:
    """Leave a ``mark``; on a disk that is full or read-only none is left, and the next time tests again."""
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def wrong_sum(path: Path, expected: str) -> str | None:
    """Return a file's sha256 where it is another than expected; compared once for each file and machine."""
    passed = mark(f"sha256 {expected}", path)
    if os.path.isfile(passed):  # noqa: PTH113, as Path raises where the folder may not be entered
        return None
    found = sha256(path)
    if found != expected:
        return found
    leave(passed)
    return None


def _ask(file: HubFile) -> HfFileMetadata:
    """What the Hub says of a file, quickly or not at all."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with _plainly(file):
        address = hf_hub_url(file.repo_id, file.file_name, revision=file.revision)
        found = within(3 * TIMEOUT, lambda: get_hf_file_metadata(address, timeout=TIMEOUT))
    size, commit, etag = found.size or 0, found.commit_hash or "", found.etag or ""
    pinned = COMMIT.fullmatch(file.revision)
    if not COMMIT.fullmatch(commit) or not _ETAG.fullmatch(etag) or (pinned and commit != file.revision):
        raise WeightsError(
            f"{file}: not fetched: commit {commit[:80]!r}, ETag {etag[:80]!r} are no answer of a Hub"
        )
    if size < 0:
        raise WeightsError(f"{file}: not fetched: the Hub says that it has {size} bytes")
    if size > file.limit:
        raise WeightsError(_too_large(f"{file}: not fetched: it has {size:,} bytes", file))
    return found


def _too_large(what: str, file: HubFile) -> str:
    told = f"{what}, at most {file.limit:,} are allowed"
    if file.limit < LARGEST:  # nor would it be read from a folder
        return told
    by_hand = f"hf download {file.repo_id} --revision {file.revision} --local-dir DIR"
    return f"{told}. If you trust the repository: {by_hand}, and load DIR"


def _download(file: HubFile, asked: HfFileMetadata) -> Path:
    """Put a file into the cache, as the client does; its names are those that were checked."""
    from huggingface_hub.file_download import http_get

    _check_space(file, asked)
    blob = _blob(file, asked)
    repository = blob.parent.parent
    path = repository / "snapshots" / str(asked.commit_hash) / file.file_name
    with _plainly(file), guarded():
        if not blob.is_file():
            with writing(blob) as part, part.open("wb") as content:
                http_get(
                    asked.location,
                    content,
                    headers=_headers(asked.location),
                    expected_size=asked.size,
                    displayed_filename=file.file_name,
                    tqdm_class=_bounded(file),
                )
        _link(blob, path)
        if not COMMIT.fullmatch(file.revision):
            write_text(repository / "refs" / file.revision, str(asked.commit_hash))
    return path


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _blob(file: HubFile, asked: HfFileMetadata) -> Path:
    from huggingface_hub.file_download import repo_folder_name

    return _cache() / repo_folder_name(repo_id=file.repo_id, repo_type="model") / "blobs" / str(asked.etag)


def _link(blob: Path, path: Path) -> None:
    """Give a blob its name in a snapshot; where there are no links, a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except FileExistsError:
        pass  # another process was faster
    except OSError:
        shutil.copyfile(blob, path)


def _headers(location: str) -> dict[str, str]:
    """Headers for a download; the token goes to the Hub alone."""
    from huggingface_hub import constants
    from huggingface_hub.utils._headers import build_hf_headers

    own = urlsplit(location)[:2] == urlsplit(constants.ENDPOINT)[:2]
    return build_hf_headers(token=None if own else False)


def _bounded(file: HubFile) -> type[tqdm]:
    """The client's progress bar, which ends a download of more bytes than the Hub said and are allowed."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bounded(tqdm):
        received = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += max(n or 0, 0)  # what comes twice counts twice: a server could go on for ever
            if self.received > file.limit:
                raise WeightsError(_too_large("it has more bytes than the Hub said", file))
            shown: bool | None = super().update(n)
            return shown

    return Bounded


@contextlib.contextmanager
def _plainly(file: HubFile) -> Iterator[None]:
    """Say in one line what the libraries below say in their ways."""
    try:
        yield
    except Exception as error:  # every library below has errors of its own for "not to be had"
        kind, why = _reason(file, error)
        state = "" if cached(file) else "is not cached and "
        raise kind(f"{file} {state}could not be fetched ({why})") from None


def _reason(file: HubFile, error: BaseException) -> tuple[type[WeightsError], str]:
    """Return why a file could not be fetched and what to do, as an error's kind and text."""
    import httpx2
    from huggingface_hub import constants, errors, get_token

    page, place = f"{constants.ENDPOINT}/{file.repo_id}", constants.HF_HUB_CACHE
    log_in = "log in with: hf auth login (or set HF_TOKEN)"
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 0
    match error:
        case WeightsError():
            return type(error), str(error)
        case OutputError() if error.__cause__ is not None:
            return _reason(file, error.__cause__)
        case errors.OfflineModeIsEnabled():
            return UnreachableError, "HF_HUB_OFFLINE forbids it: fetch it once without"
        case errors.GatedRepoError():
            return WeightsError, f"the repository is gated: ask for access at {page}, then {log_in}"
        case errors.RepositoryNotFoundError() if get_token():
            return WeightsError, f"no such repository, or a private one that your token may not read: {page}"
        case errors.RepositoryNotFoundError():
            return WeightsError, f"no such repository, or a private one: check the name {page}, or {log_in}"
        case errors.RevisionNotFoundError():
            return WeightsError, f"no branch, tag or commit is called '{file.revision}', see {page}"
        case errors.RemoteEntryNotFoundError():
            return (
                WeightsError,
                f"revision '{file.revision}' has no such file, see {page}/tree/{file.revision}",
            )
        case errors.HfHubHTTPError() if status == 401:
            return WeightsError, f"the Hub does not know your token: {log_in}"
        case errors.HfHubHTTPError() if status == 429:
            wait = error.response.headers.get("Retry-After")
            when = f"in {wait} s" if wait else "later"
            return UnreachableError, f"the Hub takes no more requests now, status 429: try again {when}"
        case errors.HfHubHTTPError() if status >= 500:
            return UnreachableError, f"the Hub failed, status {status}: try again later"
        case errors.HfHubHTTPError():
            return WeightsError, f"the Hub refused, status {status}: {_line(error.server_message or error)}"
        case httpx2.TimeoutException():
            return UnreachableError, f"{constants.ENDPOINT} did not answer in time: try again later"
        case httpx2.TransportError():
            return UnreachableError, f"no connection to {constants.ENDPOINT}, is there a network? {error}"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return WeightsError, f"no space left for {place}: free some, or move it with HF_HUB_CACHE"
    return WeightsError, _line(error)


def _line(message: object) -> str:
    return " ".join(str(message).split())
