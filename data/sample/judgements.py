"""The sample's queries with their judgements, as they were written by hand.

    q001 how can I run a function later, after some seconds
      2 threading.Timer
      1 sched.scheduler

Grade 2 answers the question, 1 is related and would help; what is not named has not been judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """grades: document id -> 1 or 2."""

    id: str
    text: str
    grades: dict[str, int]


def judged_queries() -> list[JudgedQuery]:
    return parse((files("lsr.data.sample") / "judgements.txt").read_text("utf-8"))


def parse(text: str) -> list[JudgedQuery]:
    queries: list[JudgedQuery] = []
    for line in filter(str.strip, text.splitlines()):
        first, _, rest = line.strip().partition(" ")
        if line.startswith(" "):
            queries[-1].grades[rest] = int(first)
        elif not line.startswith("#"):
            queries.append(JudgedQuery(first, rest, {}))
    return queries
