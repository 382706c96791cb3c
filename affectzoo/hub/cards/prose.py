"""What people write in a card: it stands between markers and outlives the rest."""

from __future__ import annotations

import re

from affectzoo.errors import AffectZooError

_PROSE = re.compile(r"^<!-- prose: (\w+) -->\n(.*?)^<!-- /prose -->", re.DOTALL | re.MULTILINE)
_MARKER = re.compile(r"^<!-- /?prose\b", re.MULTILINE)


def mark_prose(name: str, told: str) -> str:
    """A section as ``read_prose`` reads it."""
    return f"<!-- prose: {name} -->\n" + (f"{told}\n" if told else "") + "<!-- /prose -->"


def read_prose(text: str, where: str) -> dict[str, str]:
    """What people wrote in a card, by section.

    Args:
        text: The card.
        where: Its file, for errors.

    Raises:
        AffectZooError: Its markers do not pair, or a section comes twice.
    """
    found = _PROSE.findall(text)
    if len(_MARKER.findall(text)) != 2 * len(found) or len({name for name, _ in found}) != len(found):
        raise AffectZooError(
            f"{where}: its markers of prose do not pair: each section has <!-- prose: NAME --> on a line of "
            "its own, once, and then <!-- /prose -->"
        )
    return {name: told.strip() for name, told in found}
