"""The pages for people stand on their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search(r"https?://|src=\"(?!data:)", response.text)
    assert '<html lang="en">' in response.text


def test_the_search_page_puts_texts_in_as_text(client: TestClient) -> None:
    """Documents and queries are strangers' words: no way of writing HTML may appear in the page's script."""
    for path in ("/", "/docs"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", client.get(path).text)
