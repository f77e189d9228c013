"""What a node's folder holds, shared by the engine, which asks, and the node's agent, which does.

    nodes.lock                held for a moment by whoever changes what is asked for, or ends an agent
    nodes/NAME/agent.pid      locked by the agent while it lives
    nodes/NAME/agent.log
    nodes/NAME/instances/ID/  one instance: made whole by the engine, deleted by the agent
        plan.json             what it is started with (engine)
        stop                  it is to end (engine)
        report.json           how it is doing (agent)
        output.log            what it prints, and output.log.1 before that
        files/                the unpacked image
        env.json, secrets/    its settings, for this user alone (engine)

Every file has one writer, so that none needs a lock to be read.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ...errors import EngineError
from ...files import locked, state_folder, write_atomically
from ...packaging.folder import SERVICE_FOLDER
from ...settings import SECRETS_VARIABLE, Settings
from .. import InstancePlan


class Report(BaseModel):
    """What an agent writes about an instance."""

    port: int | None = None
    """Chosen at the first start, and kept as long as it is free then."""
    pid: int | None = None
    """None while it does not run."""
    restarts: int = 0
    failures: int = 0
    """How often it has ended in a row, soon after its start each time."""
    last_exit: str | None = None


class InstanceFolder:
    """One instance's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = path / "files"
        self.service_files = self.files / SERVICE_FOLDER
        self.log = path / "output.log"
        self._plan, self._report, self._stop = path / "plan.json", path / "report.json", path / "stop"
        self._env, self._secrets = path / "env.json", path / "secrets"

    @property
    def id(self) -> str:
        """The instance's name."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether there is such an instance."""
        return self.path.exists()

    def plan(self) -> InstancePlan:
        """What to start.

        Raises:
            EngineError: the file is damaged, or of another version of Astraea.
        """
        try:
            return InstancePlan.model_validate_json(self._plan.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise EngineError(
                f"{self._plan} doesn't read: {'.'.join(map(str, first['loc']))}: {first['msg']}",
                hint=f"end the process that runs in {self.path}, if any, and delete that folder",
            ) from None

    def write_plan(self, plan: InstancePlan) -> None:
        """Say what to start."""
        write_atomically(self._plan, plan.model_dump_json())

    def write_settings(self, settings: Settings) -> None:
        """Keep the variables and secrets that it is started with."""
        self._secrets.mkdir(mode=0o700)
        for name, content in settings.secrets.items():
            path = self._secrets / name
            path.touch(mode=0o600)
            path.write_bytes(content)
        write_atomically(self._env, json.dumps(dict(settings.env)))

    def env(self) -> dict[str, str]:
        """The variables to start it with."""
        try:
            env: dict[str, str] = json.loads(self._env.read_text(encoding="utf-8"))
        except FileNotFoundError:  # of an earlier version of Astraea
            return {}
        return {**env, SECRETS_VARIABLE: str(self._secrets)} if any(self._secrets.iterdir()) else env

    def report(self) -> Report:
        """How the instance is doing; empty before the agent has taken it up."""
        try:
            return Report.model_validate_json(self._report.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Report()

    def write_report(self, report: Report) -> None:
        """Say how the instance is doing."""
        write_atomically(self._report, report.model_dump_json())

    @property
    def stop_requested(self) -> bool:
        """Whether the instance is to end."""
        return self._stop.exists()

    def request_stop(self) -> None:
        """Ask for the instance's end."""
        self._stop.touch()

    def withdraw_stop(self) -> None:
        """Let the instance live on, or again."""
        self._stop.unlink(missing_ok=True)


class NodeFolder:
    """One node's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.agent_log = path / "agent.log"
        self._instances, self._agent = path / "instances", path / "agent.pid"

    def instance(self, instance_id: str) -> InstanceFolder:
        """Where an instance's files are, or would be."""
        return InstanceFolder(self._instances / instance_id)

    def instances(self) -> list[InstanceFolder]:
        """The instances on this node, by name."""
        # A name with a dot in front is an instance in the making.
        paths = sorted(path for path in self._instances.glob("*") if not path.name.startswith("."))
        return [InstanceFolder(path) for path in paths]

    @contextlib.contextmanager
    def new_instance(self, instance_id: str) -> Iterator[InstanceFolder]:
        """An instance's folder to fill, which appears whole after the block."""
        draft = self._instances / f".{instance_id}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            yield InstanceFolder(draft)
            draft.rename(self._instances / instance_id)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def delete_instance(self, folder: InstanceFolder) -> None:
        """Forget an instance, at once for whoever looks."""
        doomed = folder.path.rename(folder.path.with_name(f".{folder.id}"))
        shutil.rmtree(doomed)

    def delete(self) -> None:
        """Forget the node."""
        shutil.rmtree(self.path)

    def agent_runs(self) -> bool:
        """Whether the node's agent lives. Needs `state_lock`, for looking takes the agent's lock for a moment."""
        try:
            with locked(self._agent, wait=False):
                return False
        except BlockingIOError:
            return True

    def agent_environment(self) -> dict[str, str] | None:
        """The variables that the node's agent was started with; None where none lives. Needs `state_lock`."""
        try:
            content = Path(f"/proc/{int(self._agent.read_text())}/environ").read_bytes()
        except (OSError, ValueError):
            return None
        pairs = (os.fsdecode(pair).partition("=") for pair in content.split(b"\0"))
        return {name: value for name, _, value in pairs} if self.agent_runs() else None

    def become_agent(self) -> bool:
        """Hold the agent's lock until this process and its forks end; False if another process does."""
        descriptor = os.open(self._agent, os.O_RDWR | os.O_CREAT)  # left open on purpose: it holds the lock
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def write_agent_pid(self) -> None:
        """Tell whoever looks which process the agent is."""
        self._agent.write_text(f"{os.getpid()}\n")


def state_lock() -> AbstractContextManager[None]:
    """Held while what is asked for changes, so that no agent ends at that moment believing it has nothing to do."""
    return locked(state_folder() / "nodes.lock")


def node_folder(name: str) -> NodeFolder:
    """Where a node's files are, or would be."""
    return NodeFolder(state_folder() / "nodes" / name)


def node_folders() -> list[NodeFolder]:
    """The nodes that have something to run, by name."""
    return [NodeFolder(path) for path in sorted((state_folder() / "nodes").glob("*"))]
