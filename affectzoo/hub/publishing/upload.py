"""One commit on the Hub, or none where it would change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo import __version__, store
from affectzoo.errors import AffectZooError, OptionError
from affectzoo.files import fetch
from affectzoo.hub.publishing.files import CARD_NAME, OURS, is_ours, own_files

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

_BARE = {".gitattributes", CARD_NAME}
"""What a repository without a model may hold."""

_SHOWN = 8
"""Files that an error lists."""

_AGAIN = "publish again, what the Hub has already is not sent twice"
_REFUSALS = {
    401: "the Hub does not know the token: hf auth login, or another HF_TOKEN",
    403: "the token may not write there: take one with write access to the owner's repositories",
    404: "the token's user sees no such repository",
    412: "somebody committed meanwhile: look at what is there now, then publish again",
    429: f"the Hub asks for fewer requests: wait some minutes, then {_AGAIN}",
}
"""What to do, by status."""


@dataclass(frozen=True)
class Published:
    """A model on the Hub.

    Attributes:
        address: Of the commit, for a browser.
        commit: Its 40 hexadecimal digits.
        sent: Paths of the files that are new or have changed; none where the Hub had all of them.
        deleted: Paths of the files that are there no more.
    """

    address: str
    commit: str
    sent: tuple[str, ...]
    deleted: tuple[str, ...]


def check_tag(tag: str | None) -> None:
    """Refuse what is no name for a commit.

    Raises:
        OptionError: It is none.
    """
    if tag is not None and not re.fullmatch(r"\w[\w.-]*", tag):
        raise OptionError(f"'{tag}' is no name for a tag: take letters, digits, '.', '_' and '-'")


def publish(
    folder: Path, repo: str, *, tag: str | None = None, private: bool = False, message: str | None = None
) -> Published:
    """Make a repository hold what a folder holds, in one commit or, where it does already, in none.

    Args:
        folder: Written by ``build``.
        repo: ``OWNER/NAME``; made where it is not there.
        tag: A name for the commit.
        private: Make the repository for its owner alone.
        message: The commit's; by default it names affectzoo.

    Raises:
        AffectZooError: The folder was changed since, the repository holds something else, or the Hub cannot
            be reached or refuses; says what to do. Files are there all or none.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token

    files = _sound_files(folder)
    if get_token() is None:
        raise AffectZooError(
            f"{repo}: no token of the Hub: make one that may write, https://huggingface.co/settings/tokens, "
            "then hf auth login, or set HF_TOKEN"
        )
    check_tag(tag)
    api = HfApi()
    with _explained(repo):
        api.create_repo(repo, private=private or None, exist_ok=True)
        head = api.model_info(repo, files_metadata=True)
        _check_repository(api, head, private=private)
        sent, deleted = _differences(files, head)
        tagged = tag is not None and _is_tagged(api, head, tag, moving=bool(sent or deleted))
    commit = str(head.sha)
    if sent or deleted:
        additions = [CommitOperationAdd(path, files[path]) for path in sent]
        deletions = [CommitOperationDelete(path) for path in deleted]
        title = message or f"Published with {store.LIBRARY} {__version__}"
        with _explained(repo):
            try:
                made = api.create_commit(
                    repo, [*additions, *deletions], commit_message=title, parent_commit=head.sha
                )
                commit = made.oid
            except Exception:  # it is sent only once: perhaps it was made and the answer was lost
                now = _head_with(api, repo, files)
                if now is None:
                    raise
                commit = now
    address = f"{api.endpoint}/{repo}/commit/{commit}"
    if tag is not None and not tagged:
        with _explained(f"{address} is there, but without tag {tag}"):
            api.create_tag(repo, tag=tag, revision=commit)
    return Published(address, commit, sent, deleted)


def _sound_files(folder: Path) -> dict[str, Path]:
    """The files of a build, by path.

    Raises:
        AffectZooError: It is none, or its weights are not those that it was built with.
    """
    files = own_files(folder)
    if not files:
        raise AffectZooError(f"{folder}: the folder is empty; affectzoo.hub.publishing.build fills one")
    location = store.locate(folder)
    if location.claim is None or location.claim.sha256 != fetch.sha256(location.path):
        raise AffectZooError(f"{folder}: the weights are not those of {store.CONFIG_NAME}: build it again")
    store.verify(location)
    return files


def _check_repository(api: HfApi, head: ModelInfo, *, private: bool) -> None:
    """Refuse a repository that is not for this.

    Raises:
        AffectZooError: It holds other things, or everybody would see what is to be private.
    """
    if private and not head.private:
        raise AffectZooError(f"{head.id} is public: make it private there, or publish without --private")
    held = {sibling.rfilename for sibling in head.siblings or ()} - _BARE
    foreign = {name for name in held if not OURS.fullmatch(name)}
    if held and not foreign:  # other libraries have files of the same names
        config = None
        if store.CONFIG_NAME in held:
            config = fetch.fetch(
                fetch.HubFile(head.id, store.CONFIG_NAME, str(head.sha), limit=store.CONFIG_LIMIT)
            )
        foreign = set() if is_ours(config) else held
    if foreign:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise AffectZooError(
            f"{head.id} holds files that affectzoo publish did not put there: "
            f"{', '.join(sorted(foreign)[:_SHOWN])}{more}. Choose another name, or delete them there first"
        )


def _differences(files: Mapping[str, Path], head: ModelInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paths that are new or changed in a folder, and those that only the repository has."""
    from huggingface_hub.utils.sha import git_hash

    there = {sibling.rfilename: sibling for sibling in head.siblings or ()}

    def is_there(name: str, path: Path) -> bool:
        sibling = there.get(name)
        if sibling is None:
            return False
        if sibling.lfs is not None:
            return sibling.lfs.sha256 == fetch.sha256(path)
        return sibling.blob_id == git_hash(path.read_bytes())

    sent = tuple(name for name, path in files.items() if not is_there(name, path))
    return sent, tuple(sorted(set(there) - set(files) - _BARE))


def _is_tagged(api: HfApi, head: ModelInfo, tag: str, *, moving: bool) -> bool:
    """Whether the commit to publish has a tag already.

    Raises:
        AffectZooError: Another commit has it.
    """
    commits = {ref.name: ref.target_commit for ref in api.list_repo_refs(head.id).tags}
    if tag in commits and (moving or commits[tag] != head.sha):
        raise AffectZooError(
            f"tag {tag} of {head.id} is commit {commits[tag][:8]}, which others may rely on: choose a new one"
        )
    return tag in commits


def _head_with(api: HfApi, repo: str, files: Mapping[str, Path]) -> str | None:
    """The newest commit, if it has these files and no others."""
    with suppress(Exception):
        head = api.model_info(repo, files_metadata=True)
        if not any(_differences(files, head)):
            return str(head.sha)
    return None


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn the client's errors into ones that say what to do."""
    try:
        yield
    except AffectZooError:
        raise
    except Exception as error:  # the client and the libraries below have many of their own
        raise AffectZooError(f"{what}: {_explanation(error)}") from error


def _explanation(error: Exception) -> str:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, nothing can be published"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status >= 500:
            return f"the Hub failed, status {status}: {_AGAIN}"
        return _REFUSALS.get(status, f"the Hub refused, status {status}: {error}")
    if isinstance(error, ValueError):
        return f"the Hub refused: {error}"
    if isinstance(error, RuntimeError):  # a file of weights
        reason = str(error.__cause__).partition("\n")[0]
        return f"{error} ({reason}): {_AGAIN}"
    return f"the connection failed ({error}): {_AGAIN}"
