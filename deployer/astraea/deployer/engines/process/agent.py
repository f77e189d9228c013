"""A node's agent: a process that keeps the node's instances as its folder asks, and ends when there are none.

`python -m astraea.deployer.engines.process.agent --node NAME`, started by the engine, which waits until the agent is
there. Its end, however it comes, leaves the instances running.
"""

import argparse
import logging
import os
import sys
import time

from ...errors import EngineError
from .logs import rotate
from .state import InstanceFolder, NodeFolder, node_folder, state_lock
from .supervisor import Supervisor

TICK_S = 0.2
"""How often the agent looks around: soon enough for a person who waits, and rare enough to cost nothing."""

logger = logging.getLogger(__name__)


class Agent:
    """Supervises what a node's folder asks for."""

    def __init__(self, folder: NodeFolder) -> None:
        self._folder = folder
        self._supervisors: dict[str, Supervisor] = {}
        self._complaints: dict[str, str] = {}

    def run(self) -> None:
        """Supervise until nothing is left to do; the node's folder is deleted then."""
        while not self._finish():
            self.step(time.monotonic())
            time.sleep(TICK_S)

    def step(self, now: float) -> None:
        """Look at every instance once. Trouble with one, a full disk included, leaves the others supervised."""
        for folder in self._folder.instances():
            try:
                self._supervise(folder, now)
            except (EngineError, OSError) as error:
                self._complain(folder.id, str(error))
        rotate(self._folder.agent_log)

    def _supervise(self, folder: InstanceFolder, now: float) -> None:
        supervisor = self._supervisors.get(folder.id)
        if supervisor is None:
            supervisor = self._supervisors[folder.id] = Supervisor(folder, now)
        if not supervisor.step(now):
            self._delete(folder)

    def _delete(self, folder: InstanceFolder) -> None:
        with state_lock():
            if folder.stop_requested:  # it may have been asked for again in the meantime
                self._folder.delete_instance(folder)
                del self._supervisors[folder.id]
                logger.info("stopped %s", folder.id)

    def _complain(self, instance_id: str, complaint: str) -> None:
        """Log what is wrong with an instance, once while it stays the same."""
        if self._complaints.get(instance_id) != complaint:
            self._complaints[instance_id] = complaint
            logger.error("%s: %s", instance_id, complaint)

    def _finish(self) -> bool:
        if self._folder.instances():
            return False
        with state_lock():
            finished = not self._folder.instances()
            if finished:
                self._folder.delete()
        return finished


def main() -> None:
    """Become the agent of the node named on the command line, unless it has one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", required=True, help="the node's name")
    folder = node_folder(parser.parse_args().node)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if not folder.become_agent():
        sys.exit(f"{folder.path.name} has an agent already")
    if os.fork():
        os._exit(0)  # the child goes on, and whoever started us knows that it is there
    folder.write_agent_pid()
    Agent(folder).run()


if __name__ == "__main__":
    main()
