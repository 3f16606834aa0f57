from __future__ import annotations

from html.parser import HTMLParser

import pytest
from lsr.data.beir import BeirDataset
from lsr.eval.html import html_report
from lsr.eval.running import Settings, evaluate_dataset

from lsr.indexing import plan_index

VOID = {"meta", "br"}


class Tags(HTMLParser):
    """Checks that tags close in order, and keeps what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """``<line …/>``: nothing to close."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(wings: BeirDataset) -> str:
    theirs = {"q1": [("d1", 2.0)], "q2": [("d4", 1.0)]}
    done = evaluate_dataset(wings, plan_index("bm25"), Settings(baselines={"<theirs> & co": theirs}))
    texts = {query.id: f"{query.text} <b>" for query in wings.queries}
    return html_report(done.results, done.comparisons, texts)


def test_the_page_is_whole_and_loads_nothing(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.loaded == []


def test_what_users_wrote_is_escaped(page: str) -> None:
    assert "&lt;theirs&gt; &amp; co" in page
    assert "<theirs>" not in page
    assert "<b>" not in page


def test_the_queries_that_differ_are_listed_with_both_values(page: str) -> None:
    assert "better on 1, equal on 1, worse on 1 queries" in page
    gained, lost = page.index("wing drag &lt;b&gt;"), page.index("heat &lt;b&gt;")
    assert gained < lost
    assert "<td>1.000</td><td>0.631</td>" in page  # the heat query: theirs, ours
    assert "nothing of the kind" not in page
