"""``affectzoo recipes``: what the package can train."""

from __future__ import annotations

import argparse
import sys

from affectzoo.cli.options import Commands

EPILOG = """\
examples:
  affectzoo recipes
  affectzoo recipes --show dlp_cnn_s/folder > mine.yaml
  affectzoo fit --recipe dlp_cnn_s/folder --data.root DIR
"""


def add_recipes(commands: Commands) -> None:
    """Add ``affectzoo recipes``."""
    recipes = commands.add_parser(
        "recipes",
        help="recipes that come with the package",
        description="List the recipes that fit, validate, test and cross-validate take by --recipe.",
        epilog=EPILOG,
    )
    shown = recipes.add_mutually_exclusive_group()
    shown.add_argument("--show", metavar="ARCH/DATASET", help="print one recipe's YAML")
    shown.add_argument("--json", action="store_true", help="print JSON instead of a table")
    recipes.set_defaults(run=_recipes)


def _recipes(args: argparse.Namespace) -> None:
    from affectzoo.console import print_json, stdout
    from affectzoo.training.recipes import find, names

    if args.show is not None:
        sys.stdout.write(find(args.show).path.read_text(encoding="utf-8"))
        return
    facts = [find(name).facts() for name in names()]
    if args.json:
        print_json(facts)
        return
    from rich.table import Table

    table = Table()
    for name in ("recipe", "task", "epochs"):
        table.add_column(name, no_wrap=True)
    table.add_column("about")
    for row in facts:
        first = row["about"].partition(". ")[0].partition(": ")[0].rstrip(".")
        table.add_row(row["recipe"], row["task"], str(row["epochs"]), first)
    stdout().print(table)
