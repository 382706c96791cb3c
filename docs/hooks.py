"""Lay the site out as the repository is: links lead to the same place on both."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SHOWN = (
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "Dockerfile",
    "affectzoo/assets/README.md",
    "affectzoo/assets/published.yaml",
    "benchmarks/README.md",
    "docs/**/*",
    "model_cards/**/*",
    "recipes/**/*.yaml",
)
"""Pages, and what they link to."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take the repository's files in place of those of the documentation's folder alone."""
    root = Path(config.config_file_path).parent
    found = {path for pattern in SHOWN for path in root.glob(pattern) if path.is_file()}
    names = sorted(path.relative_to(root).as_posix() for path in found if path.suffix != ".py")
    place = (str(root), config.site_dir, config.use_directory_urls)
    theme = [file for file in files if file.src_dir != config.docs_dir]
    return Files([*theme, *(File(name, *place) for name in names)])
