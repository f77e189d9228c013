"""The broker's HTTP API, version 1, as its callers and the broker itself know it.

asking     what devices ask and tell
operating  what operators set and are told
calls      each request as a value, with the type of its answer
client     what sends them; it needs httpx, so it is apart
"""

from . import calls
from .asking import Ask, Enrolment, Objective, Report, Reported, ServiceToken
from .calls import Call
from .operating import (
    AuditEntry,
    Health,
    IssuedCode,
    IssuedKey,
    KnownDevice,
    KnownKey,
    NewCode,
    NewKey,
    RevisionSignals,
    Role,
    ServiceSignals,
    ServiceSummary,
    Sharing,
)

__all__ = [
    "Ask",
    "AuditEntry",
    "Call",
    "Enrolment",
    "Health",
    "IssuedCode",
    "IssuedKey",
    "KnownDevice",
    "KnownKey",
    "NewCode",
    "NewKey",
    "Objective",
    "Report",
    "Reported",
    "RevisionSignals",
    "Role",
    "ServiceSignals",
    "ServiceSummary",
    "ServiceToken",
    "Sharing",
    "calls",
]
