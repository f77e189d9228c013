"""The way back to an earlier revision."""

import json

import pytest

from astraea.deployer.errors import DeployError
from astraea.deployer.files import state_folder
from astraea.deployer.history import History

from .conftest import GREET, Cli, WriteService, instances


def test_a_rollback_returns_to_what_was_deployed_before(cli: Cli, broker: str, write_service: WriteService) -> None:
    folder = write_service()
    cli("deploy", folder)
    (first,) = instances()
    write_service(version="1.1.0", handler=f"{GREET}# newer\n")
    cli("deploy", folder)
    cli("rollback", "hello")
    assert [view.revision for view in instances()] == [first.revision]
    shown = json.loads(cli("history", "hello", "--json").stdout)
    assert [record["revision"][:5] for record in shown] == ["1.0.0", "1.1.0", "1.0.0"]
    assert "local" in cli("history", "hello").stdout

    cli("rollback", "hello", "--to", shown[1]["revision"])
    assert [view.revision for view in instances()] == [shown[1]["revision"]]
    assert "never deployed from here as 9.9.9" in cli("rollback", "hello", "--to", "9.9.9", status=1).stderr


def add(history: History, revision: str) -> None:
    history.add(revision=revision, image="x", engine="process", broker="http://b", nodes=["n"])


def test_deploying_the_same_again_does_not_make_it_the_one_before() -> None:
    history = History("hello")
    for revision in ("a", "b", "b"):
        add(history, revision)
    assert history.before().revision == "a"


def test_without_another_revision_there_is_no_way_back() -> None:
    with pytest.raises(DeployError, match="never deployed from here with another revision"):
        History("hello").before()


def test_a_line_that_was_cut_off_is_passed_over() -> None:
    history = History("hello")
    add(history, "a")
    with (state_folder() / "history" / "hello.jsonl").open("a") as file:
        file.write('{"at": "20\n')
    add(history, "b")
    assert [record.revision for record in history.all()] == ["a", "b"]
