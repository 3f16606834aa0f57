"""Pages for people: the search page and the description of the API. They load nothing from elsewhere."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

# Everything these pages need stands in them; so a browser may be told to load nothing else.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
    " connect-src 'self'; img-src data:"
)


@router.get("/")
async def search_page() -> HTMLResponse:
    return _page("search.html")


@router.get("/docs")
async def docs_page() -> HTMLResponse:
    return _page("docs.html")


def _page(name: str) -> HTMLResponse:
    text = resources.files("lsr.server").joinpath("static", name).read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})
