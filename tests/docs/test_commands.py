"""Every command that the documentation names is one that there is, with the arguments that it is given there."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

from astraea.deployer.main import VERBS, _load

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "demos" / "services" / "README.md",
]
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
_FENCE = re.compile(r"^```(?:sh|console)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PROMPT = re.compile(r"^(?:[a-z]*\$|sudo) ", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_ENDS = ";()<>|&\n"


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a page's blocks, without what sets their environment."""
    for block in _FENCE.findall(text):
        script = _COMMENT.sub("", _PROMPT.sub("", block)).replace("\\\n", " ")
        lexer = shlex.shlex(script, posix=True, punctuation_chars=_ENDS)
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
        words: list[str] = []
        for token in [*lexer, "\n"]:
            if set(token) <= set(_ENDS):
                if words:
                    yield words
                words = []
            elif words or not re.match(r"\w+=", token):
                words.append(token)


def given_to(program: str) -> list[Any]:
    """The arguments of each call of a program, with the page that has it."""
    return [
        pytest.param(words[1:], id=f"{page}: {shlex.join(words)}")
        for page, text in TEXT.items()
        for words in commands(text)
        if words[0] == program
    ]


def parse(arguments: list[str]) -> None:
    """Parse a command line of `astraea` as the command does, but for files that it wants to be there."""
    verb = next((verb for verb in VERBS if verb.name == arguments[0]), None)
    if verb is None:
        assert arguments == ["--version"], f"there is no verb {arguments[0]}"
        return
    command: Any = typer.main.get_command(_load(verb))
    context, words = None, list(arguments)
    while hasattr(command, "commands"):
        context = command.make_context("astraea", list(words), parent=context, resilient_parsing=True)
        command = command.commands[words.pop(0)]
    try:
        command.make_context(arguments[0], words, parent=context)
    except Exception as error:
        if "does not exist" not in str(error):
            raise


@pytest.mark.parametrize("arguments", given_to("astraea"))
def test_a_command_of_ours_is_understood(arguments: list[str]) -> None:
    parse(arguments)


@pytest.mark.parametrize("arguments", [["deploy", "plates", "--nonsense"], ["scale", "plates"], ["nonsense"]])
def test_another_is_not(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such option|Missing|no verb"):
        parse(arguments)


@pytest.mark.parametrize("page", TEXT)
def test_what_a_page_names_in_passing_is_there(page: str) -> None:
    text = TEXT[page]
    verbs = set(re.findall(r"`astraea ([a-z]+)", text))
    assert verbs <= {verb.name for verb in VERBS}
    modules = set(re.findall(r"python -m ((?:benchmarks|demos)[\w.]*)", text))
    modules |= set(re.findall(r"`(benchmarks\.\w+)`", text))
    assert [module for module in sorted(modules) if find_spec(module.rstrip(".")) is None] == []
    targets = set(re.findall(r"`make ([a-z]+)", text)) | {words[1] for words in commands(text) if words[0] == "make"}
    assert targets <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    extras = {extra for names in re.findall(r"astraea\[([\w,]+)\]", text) for extra in names.split(",")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extras <= set(project["optional-dependencies"])


@pytest.mark.parametrize("page", TEXT)
def test_what_a_page_names_of_the_repository_is_there(page: str) -> None:
    parts = "benchmarks|broker|demos|deployer|device|edge_server|models|netlab|protocol|tests"
    named = re.findall(rf"`((?:{parts})/[\w./-]+)`", TEXT[page])
    assert [path for path in named if not (ROOT / path).exists()] == []
