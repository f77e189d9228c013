"""What the deployer's verbs say when something is asked of them that can't be."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from astraea.deployer.main import main

from .conftest import Cli, WriteService


@pytest.fixture
def complain(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str]], str]:
    """Runs a command line that fails, in this process, and gives what it says."""

    def run(arguments: list[str]) -> str:
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, "argv", ["astraea", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        return capsys.readouterr().err

    return run


def test_init_build_and_a_second_build(cli: Cli, home: Path) -> None:
    assert "wrote plates/astraea.yaml" in cli("init", "plates", "--model", "zoo:plates").stdout
    assert "written" in cli("build", "plates").stdout
    assert "unchanged" in cli("build", "plates").stdout


def test_nodes_are_listed_with_their_place(cli: Cli) -> None:
    cli("node", "add", "syd-1", "--region", "sydney", "--at", "-33.87,151.21")
    assert cli("node", "list").stdout.splitlines()[1].split() == [
        "syd-1",
        "sydney",
        "-33.87",
        "151.21",
        "127.0.0.1",
        "0",
    ]
    cli("node", "remove", "syd-1")
    assert "local" in cli("node", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["build", "nowhere"], "there is no astraea.yaml in nowhere", "astraea init nowhere"),
        (["deploy", "nowhere"], "there is no folder and no image 'nowhere'", "astraea build DIR"),
        (["deploy", "service", "--node", "x"], "there is no node 'x'", "the nodes are local"),
        (["deploy", "service", "--broker", "http://127.0.0.1:1"], "127.0.0.1:1 can't be reached", "astraea broker"),
        (["deploy", "service", "--broker", "nonsense"], "the broker nonsense can't be reached", "astraea broker"),
        (["remove", "hello"], "no instance of 'hello' runs", "astraea status"),
        (["logs", "hello"], "no instance of 'hello' runs", "astraea status"),
        (["node", "remove", "x"], "there is no node 'x'", "astraea node add"),
        (["node", "add", "x", "--region", "r", "--at", "here"], "--at: 'here' is no place", "LAT,LON"),
        (["node", "add", "x", "--region", "r", "--at", "91,0"], "lat: 91.0 can't be used", "--at"),
        (["node", "add", "a/b", "--region", "r", "--at", "1,2"], "name: 'a/b' can't be used", "letters"),
        (["init", "service"], "service/astraea.yaml exists already", "another folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_line_with_a_hint(
    complain: Callable[[list[str]], str],
    write_service: WriteService,
    home: Path,
    *,
    arguments: list[str],
    message: str,
    hint: str,
) -> None:
    write_service()
    said = complain(arguments)
    complaint, advice = said[said.index("astraea: ") :].splitlines()
    assert message in complaint
    assert hint in advice
    assert list(home.glob("data/**/blobs")) == [], "nothing is built in vain"


def test_a_template_with_a_misspelt_key_is_refused_before_anything_starts(
    cli: Cli, home: Path, write_service: WriteService
) -> None:
    said = cli("deploy", write_service(keys="regoin: x\n"), status=1).stderr
    assert "there is no key `regoin`" in said
    assert "did you mean `region`?" in said
    assert not (home / "state").exists() or list((home / "state" / "astraea" / "nodes").glob("*")) == []


def test_a_dry_run_explains_every_node_and_makes_nothing(cli: Cli, home: Path, write_service: WriteService) -> None:
    for name, region in (("hz-1", "hangzhou"), ("sh-1", "shanghai")):
        cli("node", "add", name, "--region", region, "--at", "30,120")
    folder = write_service(keys="region: hangzhou\n")
    lines = cli("deploy", folder, "--dry-run").stdout.splitlines()[1:]
    assert [line.rstrip().split(maxsplit=3) for line in lines] == [
        ["hz-1", "hangzhou", "yes", "it covers hangzhou"],
        ["sh-1", "shanghai", "no", "it covers shanghai, not hangzhou"],
    ]
    named = cli("deploy", folder, "--dry-run", "--node", "sh-1").stdout.splitlines()[1:]
    assert [line.split()[2] for line in named] == ["no", "yes"]
    assert not (home / "data").exists()
