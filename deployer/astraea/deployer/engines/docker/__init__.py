"""Instances as containers: on the engine of each node (`docker`), or of a whole swarm through its manager (`swarm`).

An instance is on its node's network, not behind a bridge: WebRTC takes ports that nobody knows beforehand, a broker on
the same machine stays reachable, and what listens on loopback alone is open to nobody else. Its root filesystem is
read-only, it has no capabilities, and the CPU and memory that the template asks for are its limits.

connection  to an engine, and what goes wrong there
containers  the docker engine
swarm       the swarm engine
secrets     how they get into containers
"""

from .containers import DockerEngine, unreachable
from .swarm import SwarmEngine

__all__ = ["DockerEngine", "SwarmEngine", "unreachable"]
