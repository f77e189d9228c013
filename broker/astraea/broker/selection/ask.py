"""What a device asks for."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from astraea.protocol import Location, RemoteTier
from astraea.protocol.instance import Label

DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,64}$")]
"""Any word that stays the same for a device while it shall be treated alike; best a random one, changed at times."""


class Objective(StrEnum):
    """What weighs most."""

    LATENCY = "latency"
    BALANCED = "balanced"
    COST = "cost"


MS_PER_COST = {Objective.LATENCY: 0.0, Objective.BALANCED: 1.0, Objective.COST: 20.0}
"""What one unit of currency, for a million requests, is worth in milliseconds of each request."""


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
