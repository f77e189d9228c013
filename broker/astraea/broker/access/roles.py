"""Roles, and what each may do."""

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a caller is. Each operator's role may do what the one before may."""

    DEVICE = "device"
    """Asks for candidates, reports what it measured."""
    NODE = "node"
    """Registers and renews instances."""
    VIEWER = "viewer"
    """Reads everything but secrets, and asks as a device would."""
    DEPLOYER = "deployer"
    """Also shares out services, drains nodes, removes instances, makes enrolment codes."""
    ADMIN = "admin"
    """Also makes and revokes keys and devices, rotates signing keys, reads the audit trail."""

    def may(self, needed: frozenset["Role"]) -> bool:
        """Whether this role is one of those that may."""
        return self in needed


DEVICES = frozenset({Role.DEVICE, Role.VIEWER, Role.DEPLOYER, Role.ADMIN})
NODES = frozenset({Role.NODE, Role.DEPLOYER, Role.ADMIN})
VIEWERS = frozenset({Role.VIEWER, Role.DEPLOYER, Role.ADMIN})
DEPLOYERS = frozenset({Role.DEPLOYER, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})


class Principal(NamedTuple):
    """Who a request comes from."""

    name: str
    """For the audit trail; never a secret."""
    role: Role


ANYONE = Principal("anyone on this machine", Role.ADMIN)
"""Whoever asks a broker that authenticates nobody."""
