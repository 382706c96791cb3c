"""``python -m affectzoo.hub.cards``: write the repository's cards, or say which are stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from affectzoo.errors import AffectZooError
from affectzoo.hub.cards.files import COMMAND, FOLDER, keep_record, stale, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 1 when cards are stale under ``--check``."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the repository's model cards.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a card is stale")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    parser.add_argument(
        "--record",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "FILE"),
        help="first keep a copy of a benchmark's record of the weights NAME",
    )
    args = parser.parse_args(arguments)
    try:
        for name, file in args.record:
            print(f"kept {keep_record(name, Path(file), args.folder)}")
        if not args.check:
            print("\n".join(f"{path}" for path in write(args.folder)) or "all cards are as they should be")
            return 0
        for path in (wrong := stale(args.folder)):
            print(f"{path}: stale; run: {COMMAND}", file=sys.stderr)
        return 1 if wrong else 0
    except (AffectZooError, OSError) as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
