"""The ``affectzoo`` command: a light front end; each command loads what it needs when it runs.

A new command is a function ``add_<command>`` in the module of its family, and a line in ``parser.COMMANDS``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from affectzoo.cli import training
from affectzoo.cli.parser import build_parser
from affectzoo.errors import AffectZooError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows ``affectzoo``; by default the process's own.

    Returns:
        0 when done, 1 when the work failed, 2 when the usage was wrong.
    """
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except AffectZooError as error:
        print(f"affectzoo: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        return 1
    except OSError as error:
        print(f"affectzoo: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("affectzoo: interrupted", file=sys.stderr)
        return 1
    return 0


def _run(given: Sequence[str]) -> None:
    if given and given[0] in training.COMMANDS:
        training.run(given)
        return
    parser = build_parser()
    args = parser.parse_args(given)
    if args.command is None:
        parser.print_help()
    else:
        args.run(args)
