"""Files from the Hugging Face Hub, fetched once; nothing here knows what they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from affectzoo.errors import WeightsError


@dataclass(frozen=True)
class HubFile:
    """A file on the Hub.

    Attributes:
        repo_id: ``OWNER/NAME``.
        file_name: Path inside the repository.
        revision: A commit's 40 hexadecimal digits; a branch only where a sha256 is checked as well.
    """

    repo_id: str
    file_name: str
    revision: str


def home() -> Path:
    """The folder for what affectzoo keeps between uses; ``AFFECTZOO_HOME`` moves it."""
    return Path(os.environ.get("AFFECTZOO_HOME", "~/.cache/affectzoo")).expanduser()


def fetch(file: HubFile) -> Path:
    """A file of the Hub, from the local cache where it is there already.

    Its content is not checked: the caller knows the sha256.

    Raises:
        WeightsError: It is not cached and cannot be fetched; says why.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    cached = try_to_load_from_cache(file.repo_id, file.file_name, revision=file.revision)
    if isinstance(cached, str):
        return Path(cached)
    try:  # a short question first: the download itself retries for long when there is no network
        get_hf_file_metadata(hf_hub_url(file.repo_id, file.file_name, revision=file.revision), timeout=5)
        return Path(hf_hub_download(file.repo_id, file.file_name, revision=file.revision))
    except Exception as error:  # every library below has errors of its own for "not to be had"
        raise WeightsError(
            f"{file.file_name} of {file.repo_id} is not cached and could not be fetched ({error})"
        ) from None
