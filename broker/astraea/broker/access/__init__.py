"""Who may do what: operators by API keys with roles, devices by enrolment, and the tokens that edge servers check."""

from .access import Access, Issued
from .limits import RateLimit
from .roles import ADMINS, ANYONE, DEPLOYERS, DEVICES, NODES, RIGHTS_AT_EDGES, VIEWERS, Principal
from .tokens import SigningKey, Tokens

__all__ = [
    "ADMINS",
    "ANYONE",
    "DEPLOYERS",
    "DEVICES",
    "NODES",
    "RIGHTS_AT_EDGES",
    "VIEWERS",
    "Access",
    "Issued",
    "Principal",
    "RateLimit",
    "SigningKey",
    "Tokens",
]
