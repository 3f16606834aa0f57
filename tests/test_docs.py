"""The pages say what is there, and what they say works."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from lsr.server import problems
from lsr.server.schemas import SearchBody, SearchParameters

from lsr.cli.app import app

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS / name for name in ("cli.md", "quickstart.md", "rest.md")]


def sections(page: str) -> dict[str, str]:
    """Second-level headings of a page and what stands below each."""
    parts = re.split(r"^## (.*)$", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands() -> dict[str, set[str]]:
    """Every command with its options, long and short."""
    group = typer.main.get_command(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_is_documented_and_none_that_is_not_there(name: str) -> None:
    text = sections("cli.md")[f"lsr {name}"]
    options = commands()[name] - {"--help", "-h"}

    assert {option for option in options if f"`{option}`" not in text} == set()
    assert set(re.findall(r"`(--?[a-z][a-z-]*)`", text)) - options == set()


@pytest.mark.parametrize("name", commands())
def test_every_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from lsr.cli.errors import run

    assert run(app, [name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Examples" in shown
    assert f"lsr {name}" in shown


def test_every_field_of_a_search_is_documented() -> None:
    text = sections("rest.md")["Search"]

    assert {name for name in SearchBody.model_fields if f"`{name}`" not in text} == set()
    links = {name for name in SearchParameters.model_fields if not re.search(rf"`{name}[`=]", text)}
    assert links == set()


def test_every_error_code_of_the_server_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", sections("rest.md")["Errors"], flags=re.MULTILINE))

    assert set(problems.CODES.values()) <= documented
    assert {"invalid-json", "invalid-argument", "unknown-field", "overloaded", "internal-error"} <= documented


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+\.md)\)", (DOCS / page).read_text(encoding="utf-8"))

    assert [target for target in targets if not (DOCS / target).exists()] == []


def blocks(page: str, language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)


def test_the_page_on_the_index_works_as_written(tmp_path: Path) -> None:
    tuned = 'mode="fast"'  # on an index that `lsr tune` made ready, which takes a model
    script = "\n".join(block for block in blocks("index.md", "python") if tuned not in block)
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("['d1', 'd2'] [1.  0.5]\n")
    assert ran.stdout.endswith("True []\n")


@pytest.mark.slow
def test_the_quickstart_works_as_written(tmp_path: Path) -> None:
    shell = "\n".join(block for block in blocks("quickstart.md", "bash") if "lsr serve" not in block)
    (python,) = blocks("quickstart.md", "python")
    script = f'lsr() {{ "{sys.executable}" -P -m lsr.cli "$@"; }}\nset -e\n{shell}'
    typed = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert typed.returncode == 0, typed.stderr
    assert re.search(r"^ +1 .* glob", typed.stdout, re.M)

    ran = subprocess.run(
        [sys.executable, "-c", python], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("1 glob ")
