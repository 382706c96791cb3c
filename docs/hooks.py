"""Lay the site out as the repository is: links lead to the same place on both."""

from collections.abc import Iterator
from pathlib import Path, PurePath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

SHOWN = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
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

PAGE = ".md"
"""What is added to a notebook's name for its page."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take the repository's files in place of those of the documentation's folder alone."""
    root = Path(config.config_file_path).parent
    found = {path for pattern in SHOWN for path in root.glob(pattern) if path.is_file()}
    names = sorted(path.relative_to(root).as_posix() for path in found if path.suffix != ".py")
    place = (str(root), config.site_dir, config.use_directory_urls)
    theme = [file for file in files if file.src_dir != config.docs_dir]
    shown = [File(name, *place) for name in names if not name.endswith(".ipynb")]
    pages = [page for name in names if name.endswith(".ipynb") for page in _notebook(root, name, config)]
    return Files([*theme, *shown, *pages])


def _notebook(root: Path, name: str, config: MkDocsConfig) -> Iterator[File]:
    """A notebook with its outputs as a page, then the page's images."""
    folder = f"{PurePath(name).stem}_files"
    text, kept = MarkdownExporter().from_filename(str(root / name), {"output_files_dir": folder})
    yield File.generated(config, f"{name}{PAGE}", content=text)
    for image, content in kept["outputs"].items():
        yield File.generated(config, f"{PurePath(name).parent}/{image}", content=content)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to notebooks lead to their pages."""
    return markdown.replace(".ipynb)", f".ipynb{PAGE})")


def on_post_build(config: MkDocsConfig) -> None:
    """Give the leaderboard, which is a page of its own, a way back to the site."""
    page = Path(config.site_dir, "docs", "leaderboard", "leaderboard.html")
    text = page.read_text(encoding="utf-8")
    back = '<header>\n<p><a href="../../index.html">affectzoo\'s documentation</a></p>'
    page.write_text(text.replace("<header>", back, 1), encoding="utf-8")
