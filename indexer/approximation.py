"""What the approximate mode may leave out."""

from __future__ import annotations

from dataclasses import dataclass

from lsr.errors import InvalidArgumentError

__all__ = ["Approximation"]


@dataclass(frozen=True, slots=True)
class Approximation:
    """How much the choice of candidates may miss; whatever is returned has its exact score.

    Where a segment is large enough for block rows, documents are chosen by a bound on their score, and only
    those that may enter the k best are scored. With ``keep=1, gamma=1`` the bound is safe: the exact search.
    Smaller segments are always searched exactly, and k hits are returned wherever k documents match.

    keep:  the bound sums only the query's largest possible contributions, up to this share of their total;
           the terms left out are not read. In (0, 1].
    gamma: a document is scored if its bound reaches this share of the score to beat. Below 1 it makes up for
           the terms that were left out. In (0, 1].
    """

    keep: float = 1.0
    gamma: float = 1.0

    def __post_init__(self) -> None:
        for name in ("keep", "gamma"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise InvalidArgumentError(f"{name} must be above 0 and at most 1, not {value}")
