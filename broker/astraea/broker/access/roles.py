"""Which roles may do what."""

from typing import NamedTuple

from astraea.protocol.broker_api import Role

DEVICES = frozenset({Role.DEVICE, Role.VIEWER, Role.DEPLOYER, Role.ADMIN})
NODES = frozenset({Role.NODE, Role.DEPLOYER, Role.ADMIN})
VIEWERS = frozenset({Role.VIEWER, Role.DEPLOYER, Role.ADMIN})
DEPLOYERS = frozenset({Role.DEPLOYER, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})

RIGHTS_AT_EDGES = {Role.VIEWER: (Role.VIEWER,), Role.DEPLOYER: (Role.VIEWER, Role.DEPLOYER)}
"""What a token of an operator's role says: each role whose rights it brings."""


class Principal(NamedTuple):
    """Who a request comes from."""

    name: str
    """For the audit trail; never a secret."""
    role: Role


ANYONE = Principal("anyone on this machine", Role.ADMIN)
"""Whoever asks a broker that authenticates nobody."""
