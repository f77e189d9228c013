"""Every command of docs/deploying.md is one that there is, with options that it has."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from astraea.deployer.main import VERBS, _load

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deploying.md").read_text()
BLOCKS = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
COMMANDS = [line for line in BLOCKS.splitlines() if line.startswith("astraea ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_is_understood(line: str) -> None:
    _, verb, *arguments = shlex.split(line.rstrip("&"), comments=True)
    application = typer.main.get_command(_load(next(known for known in VERBS if known.name == verb)))
    context = application.make_context("astraea", [verb, *arguments], resilient_parsing=True)
    command = application
    words = [verb, *arguments]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(verb, words, parent=context)
