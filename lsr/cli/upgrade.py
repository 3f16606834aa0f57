"""``lsr upgrade``: an index of an older format, rewritten in the current one."""

from __future__ import annotations

from lsr.cli import options
from lsr.cli.output import print_json, results


def upgrade(index: options.Index, *, as_json: options.Json = False) -> None:
    """Rewrite an index in this release's format, if an older release wrote it.

    The old index stays as it is until the new one is complete and checked; it needs its size on disk once more.
    An index of a newer format is refused: upgrade the package.

    **Examples**

    `lsr upgrade my.index`
    """
    from lsr.indexer.upgrading import upgrade as rewrite

    report = rewrite(index)
    if as_json:
        print_json(report)
    elif report.before == report.after:
        results().print(f"{index} is in format {report.after}, the newest: nothing to do")
    else:
        results().print(
            f"{index} is in format {report.after} now, was {report.before}; generation {report.generation}"
        )
