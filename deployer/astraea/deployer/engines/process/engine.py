"""The engine that runs instances as local processes."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...errors import EngineError
from ...images import ServiceImage, unpack_image
from ...oci import ImageLayout
from ...operator_keys import KEY_VARIABLE
from ...settings import read_settings
from .. import InstancePlan, InstanceState, InstanceStatus
from ..serving import instance_url
from .logs import FileLog
from .processes import InstanceProcess
from .state import InstanceFolder, NodeFolder, Report, node_folder, node_folders, state_lock


class ProcessEngine:
    """Asks the nodes' agents for instances by way of the nodes' folders, and starts agents that are not there.

    Args:
        layout: holds the images that instances are started from.
    """

    def __init__(self, layout: ImageLayout) -> None:
        self._layout = layout

    def start(self, plan: InstancePlan, image: ServiceImage) -> None:
        """See `Engine.start`."""
        node = node_folder(plan.node.name)
        with state_lock():
            instance = node.instance(plan.id)
            if instance.exists:
                instance.withdraw_stop()
            else:
                self._unpack(node, plan, image)
            _ensure_agent(node)

    def _unpack(self, node: NodeFolder, plan: InstancePlan, image: ServiceImage) -> None:
        try:
            with node.new_instance(plan.id) as draft:
                unpack_image(self._layout, image, draft.files)
                draft.write_settings(read_settings(plan.settings))
                draft.write_plan(plan)
        except OSError as error:
            raise EngineError(f"node {plan.node.name}: {image.reference} can't be unpacked: {error}") from None

    def stop(self, instance_ids: Iterable[str]) -> None:
        """See `Engine.stop`."""
        wanted = set(instance_ids)
        with state_lock():
            for node in node_folders():
                doomed = [folder for folder in node.instances() if folder.id in wanted]
                for folder in doomed:
                    folder.request_stop()
                if doomed:
                    _ensure_agent(node)

    def instances(self, service: str | None = None) -> list[InstanceStatus]:
        """See `Engine.instances`."""
        with state_lock():
            found = [
                _status(folder, supervised)
                for node in node_folders()
                for supervised in [node.agent_runs()]
                for folder in node.instances()
            ]
        return [status for status in found if service in (None, status.plan.service)]

    def environment(self, node: str) -> Mapping[str, str]:
        """The variables of a new instance on a node beside its own: those of the node's agent, or of one to come."""
        with state_lock():
            found = node_folder(node).agent_environment()
        return os.environ if found is None else found

    def log(self, instance: InstanceStatus) -> FileLog:
        """See `Engine.log`."""
        return FileLog(node_folder(instance.plan.node.name).instance(instance.id).log)


def _status(folder: InstanceFolder, supervised: bool) -> InstanceStatus:
    plan, report = folder.plan(), folder.report()
    return InstanceStatus(
        plan=plan,
        state=_state(folder, report, supervised),
        url=None if report.port is None else instance_url(plan, report.port),
        pid=report.pid,
        restarts=report.restarts,
        last_exit=report.last_exit,
    )


def _state(folder: InstanceFolder, report: Report, supervised: bool) -> InstanceState:
    if folder.stop_requested:
        return "stopping"
    if not supervised:
        return "down" if InstanceProcess.find(folder.service_files) is None else "unsupervised"
    if report.pid is not None:
        return "running"
    return "restarting" if report.failures > 1 else "starting"


def _ensure_agent(node: NodeFolder) -> None:
    """Start the node's agent if it doesn't live. Needs `state_lock`."""
    if node.agent_runs():
        return
    with node.agent_log.open("ab") as log:
        ended = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-P", "-m", f"{__package__}.agent", "--node", node.path.name],
            check=False,
            cwd=Path("/"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != KEY_VARIABLE},  # no instance's business
        )
    if ended.returncode != 0:
        last = "".join(FileLog(node.agent_log).tail(1))
        raise EngineError(f"the agent of node {node.path.name} can't be started: {last}", hint=f"see {node.agent_log}")
