"""What devices ask a broker, and what they tell it."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..instance import Label, Location, RemoteTier

DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,64}$")]
"""Any word that stays the same for a device while it shall be treated alike; best a random one, changed at times."""


class Objective(StrEnum):
    """What weighs most when instances are compared."""

    LATENCY = "latency"
    BALANCED = "balanced"
    COST = "cost"


class Ask(BaseModel):
    """One device's question, as its query parameters say it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lat: float | None = Field(default=None, ge=-90, le=90, description="Degrees north.")
    lon: float | None = Field(default=None, ge=-180, le=180, description="Degrees east.")
    limit: int = Field(default=5, ge=1, le=50, description="How many candidates at most.")
    device: DeviceId | None = Field(default=None, description="Keeps the device on its side of a canary.")
    current: Label | None = Field(
        default=None, description="The instance in use: it stays first unless another is clearly better."
    )
    without: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._,-]{1,1500}$",
        description="Instances that the device could not reach lately, with commas between them.",
    )
    rate: float = Field(default=2.0, gt=0, le=1000, description="Requests a second that the device is going to send.")
    region: Label | None = Field(default=None, description="Only instances of this region.")
    tier: RemoteTier | None = Field(default=None, description="Only instances of this tier.")
    gpu: bool = Field(default=False, description="Only instances with a GPU.")
    max_km: float | None = Field(default=None, gt=0, description="Only instances within this distance.")
    objective: Objective | None = Field(default=None, description="By default the service's own.")
    request_bytes: int = Field(default=70_000, ge=0, le=10**9, description="What a request weighs, for traffic's cost.")
    explain: bool = Field(default=False, description="Say what each score is made of.")

    @property
    def unreachable(self) -> frozenset[str]:
        """The instances that the device could not reach."""
        return frozenset(self.without.split(",")) if self.without else frozenset()

    @property
    def place(self) -> Location | None:
        """Where the device is, if it says so."""
        if self.lat is None or self.lon is None:
            return None
        return Location.model_construct(lat=self.lat, lon=self.lon)


class Report(BaseModel):
    """What a device measured on its way to one instance."""

    model_config = ConfigDict(frozen=True)

    instance: Label
    rtt_ms: float = Field(gt=0, le=60_000, allow_inf_nan=False)
    uplink_mbps: float | None = Field(default=None, gt=0, le=100_000, allow_inf_nan=False)
    frames: int = Field(default=0, ge=0, le=1_000_000)
    """That it was to answer, since the device last told."""
    missed: int = Field(default=0, ge=0, le=1_000_000)
    """Of those: answered after their deadline, by another target, or by nobody."""


class Reported(BaseModel):
    """What a device measured, from about where."""

    model_config = ConfigDict(frozen=True)

    location: Location | None = None
    """Rounded to half a degree as soon as it is read; nothing else of the device is kept. Without it, round trips tell
    nobody anything."""
    reports: Annotated[list[Report], Field(max_length=20)]


class Enrolment(BaseModel):
    """A device's code, as it was typed."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=40)


class ServiceToken(BaseModel):
    """Lets its bearer use a service's instances."""

    token: str
    ttl_s: float
