"""What operators of a fleet set and are told by its broker."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..instance import Label
from ..service import ServiceName
from .asking import Objective

Name = Annotated[str, Field(min_length=1, max_length=100)]
"""What people call a key or a device."""


class Role(StrEnum):
    """What a caller is. Each operator's role may do what the one before may."""

    DEVICE = "device"
    """Asks for candidates, reports what it measured."""
    NODE = "node"
    """Registers and renews instances."""
    VIEWER = "viewer"
    """Reads everything but secrets, of instances as well, and asks as a device would."""
    DEPLOYER = "deployer"
    """Also shares out services, drains nodes, removes instances, makes enrolment codes, has instances load versions."""
    ADMIN = "admin"
    """Also makes and revokes keys and devices, rotates signing keys, reads the audit trail."""


class RevisionSignals(BaseModel):
    """What devices told of a revision, since the broker started."""

    model_config = ConfigDict(frozen=True)

    frames: int = 0
    """That it was to answer."""
    missed: int = 0
    """Of those: answered after their deadline, by another target, or by nobody."""


class ServiceSignals(BaseModel):
    """What devices make of a service."""

    model_config = ConfigDict(frozen=True)

    asked_s: float | None = None
    """Seconds since one last asked for it; None if none has since the broker started."""
    revisions: dict[Label, RevisionSignals] = Field(default_factory=dict)


class Sharing(BaseModel):
    """How a service's devices are shared out among its revisions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[Label, float] = Field(default_factory=dict, max_length=16)
    """Shares of devices by revision, in any unit; none at all: every revision alike, by its instances' merit alone.

    The order matters: a device keeps its side while the weights of those that come first only grow. So put canaries
    first. A revision of weight 0, or one that is not named, gets no device while another has instances."""
    objective: Objective = Objective.LATENCY
    """For devices that don't say what theirs is."""
    shadow_share: float = Field(default=0.0, ge=0, le=1)
    """Of the requests that the other revisions answer: so many are copied to the one that is named first, a canary."""

    @field_validator("weights")
    @classmethod
    def _sum_above_zero(cls, weights: dict[str, float]) -> dict[str, float]:
        if weights and not (all(0 <= weight <= 1e6 for weight in weights.values()) and sum(weights.values()) > 0):
            raise ValueError("weights must be from 0 to 1000000, and one of them above 0")
        return weights


class ServiceSummary(BaseModel):
    """A service that has live instances."""

    model_config = ConfigDict(frozen=True)

    name: ServiceName
    instances: int
    """How many hold a lease."""


class NewKey(BaseModel):
    """What an API key is to be."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: Role


class IssuedKey(BaseModel):
    """A key, told this once."""

    id: str
    key: str


class KnownKey(BaseModel):
    """An API key without its secret."""

    id: str
    name: str
    role: Role
    created_at: datetime


class NewCode(BaseModel):
    """What a device that enrols is called, and what it may use."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    services: Annotated[tuple[ServiceName, ...], Field(min_length=1, max_length=50)] | None = None
    """None for all."""


class IssuedCode(BaseModel):
    """A code that enrols one device."""

    code: str
    ttl_s: float


class KnownDevice(BaseModel):
    """An enrolled device."""

    id: str
    name: str
    services: tuple[ServiceName, ...] | None
    enrolled_at: datetime


class AuditEntry(BaseModel):
    """Who did what, and when. Secrets are never in it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str = ""


class Health(BaseModel):
    """The answer of a health check that passed; one that fails answers with a problem document."""

    status: Literal["ok"] = "ok"
