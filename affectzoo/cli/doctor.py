"""``affectzoo doctor``: whether an installation works."""

from __future__ import annotations

from affectzoo.cli.options import Commands, lazily


def add_doctor(commands: Commands) -> None:
    """Add ``affectzoo doctor``."""
    doctor = commands.add_parser(
        "doctor",
        help="what of this installation works, and what is wrong with it",
        description="Examine libraries, devices, caches, face detector, bundled weights and free space.\n"
        "What is wrong is told with what to do; then the exit status is 1. No network is needed.",
    )
    doctor.add_json("text, for a bug report")
    doctor.set_defaults(run=lazily("affectzoo.doctor.command"))
