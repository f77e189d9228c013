"""Who may do what: operators by API keys with roles, devices by enrolment, and the tokens that edge servers check."""

from .access import Access, Issued
from .limits import RateLimit
from .roles import ADMINS, ANYONE, DEPLOYERS, DEVICES, NODES, VIEWERS, Principal
from .tokens import SigningKey, Tokens

__all__ = [
    "ADMINS",
    "ANYONE",
    "DEPLOYERS",
    "DEVICES",
    "NODES",
    "VIEWERS",
    "Access",
    "Issued",
    "Principal",
    "RateLimit",
    "SigningKey",
    "Tokens",
]
