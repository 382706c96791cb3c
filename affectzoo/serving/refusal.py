"""What the service refuses, with a status of HTTP and a word for programs."""

from __future__ import annotations

from affectzoo.errors import AffectZooError


class Refusal(AffectZooError):
    """A request that is not answered with a prediction.

    Attributes:
        status: HTTP's number.
        code: A word that stays the same, for programs.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code
