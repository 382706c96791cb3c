"""``affectzoo publish``: from the command line to a folder and a commit."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.console import stdout
from affectzoo.errors import AffectZooError
from affectzoo.hub.publishing.build import Built, build
from affectzoo.hub.publishing.files import own_files, size
from affectzoo.hub.publishing.upload import Published, check_tag, publish
from affectzoo.store import HUB
from affectzoo.weights import SUBJECTS

if TYPE_CHECKING:
    from rich.table import Table


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo publish``.

    Raises:
        AffectZooError: Checks failed, or the Hub cannot be reached or refuses.
    """
    check_tag(args.tag)
    console = stdout()
    with tempfile.TemporaryDirectory() as temporary:
        built = build(
            args.model,
            args.out or Path(temporary) / "model",
            repo=args.repo,
            records=args.record,
            license=dict(map(terms, args.license)),
            half=args.half,
        )
        console.print(_checks_table(built))
        if args.dry_run:
            console.print(_files_table(built.folder))
            kept = f"it is in {args.out}" if args.out else "its folder is not kept, --out DIR would keep it"
            console.print(f"nothing was uploaded (--dry-run); {kept}")
            return
        done = publish(built.folder, args.repo, tag=args.tag, private=args.private, message=args.message)
        console.print(_files_table(built.folder, done))
    made = "published" if done.sent or done.deleted else "nothing has changed, no new commit"
    told = f"{made}: {done.address}\n{_how_to_load(built, args.repo, args.tag or done.commit)}"
    console.print(told, soft_wrap=True)


def terms(text: str) -> tuple[str, str]:
    """Read one ``--license SUBJECT=TERMS``.

    Raises:
        AffectZooError: It has another form.
    """
    subject, equals, said = text.partition("=")
    if not equals:
        raise AffectZooError(f"--license {text}: expected SUBJECT=TERMS, SUBJECT: {', '.join(SUBJECTS)}")
    return subject, said


def _checks_table(built: Built) -> Table:
    from rich.table import Table

    table = Table("check", "found", title=f"{built.name}: all checks passed", title_justify="left")
    for check in built.checks:
        table.add_row(check.name, check.told)
    return table


def _files_table(folder: Path, done: Published | None = None) -> Table:
    """What is in the folder and, after the upload, what became of it."""
    from rich.table import Table

    files = own_files(folder)
    title = f"{len(files)} files, {size(*files.values())}"
    table = Table("file", "size", title=title, title_justify="left")
    table.columns[1].justify = "right"
    rows = [[name, size(path)] for name, path in files.items()]
    if done is not None:
        table.add_column("on the Hub")
        rows = [[*row, "new" if row[0] in done.sent else "as it was"] for row in rows]
        rows += [[name, "", "deleted"] for name in done.deleted]
    for row in rows:
        table.add_row(*row)
    return table


def _how_to_load(built: Built, repo: str, revision: str) -> str:
    name = f"{HUB}{repo}@{revision}"
    return (
        "load it:\n"
        f'  affectzoo.load("{name}")\n'
        f'  torch.hub.load("OWNER/affectzoo", "{built.meta.arch}", weights="{name}")\n'
        f"  affectzoo predict photo.jpg --model {name}"
    )
