"""A running copy of a service as the broker knows it, and what the broker tells a device about it."""

from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, UrlConstraints

from .service import ServiceName

RemoteTier = Literal["edge", "cloud"]
"""Where an instance runs, seen from a device: near it, or in a data centre."""

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$")]
"""A name of a node, region, revision or instance: up to 64 letters, digits, dots, dashes, underscores."""

BaseUrl = Annotated[AnyHttpUrl, UrlConstraints(max_length=2000)]


class Location(BaseModel):
    """A place on Earth, in degrees (WGS 84)."""

    model_config = ConfigDict(frozen=True)

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class Load(BaseModel):
    """How busy an instance is, as it reports with each heartbeat."""

    model_config = ConfigDict(frozen=True)

    in_flight: int = Field(default=0, ge=0, le=1_000_000)
    """Requests accepted and not yet answered."""
    capacity: int = Field(default=1, ge=1, le=1_000_000)
    """Requests it can work on at once without queueing."""
    service_ms: float | None = Field(default=None, ge=0, le=3_600_000)
    """Recent median time from a request's last byte to its answer; None before the first one."""


class Price(BaseModel):
    """What an instance costs its operator, in one currency for the whole fleet."""

    model_config = ConfigDict(frozen=True)

    per_hour: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False)
    """Of the instance's share of its node, busy or not."""
    per_gb: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False)
    """Of traffic from devices to it."""


class Instance(BaseModel):
    """A running copy of a service: what it registers with and repeats as its heartbeat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Label
    """Chosen by the instance and kept while it lives, so that registering again is harmless."""
    service: ServiceName
    revision: Label
    """Which version of the service: its version, then what tells two builds of it apart."""
    url: BaseUrl
    """Where devices reach it, e.g. `http://203.0.113.7:8000`."""
    node: Label
    region: Label | None = None
    location: Location | None = None
    tier: RemoteTier = "edge"
    gpu: bool = False
    """Whether it computes on a GPU."""
    price: Price = Price()
    load: Load = Load()


class Shadow(BaseModel):
    """A revision that is tried out on copies of what others answer; what it makes of them is only compared."""

    model_config = ConfigDict(frozen=True)

    revision: Label
    url: BaseUrl
    """Of the one of its instances that the copies are for."""
    share: float = Field(gt=0, le=1)
    """Of the requests that were answered."""
    token: str | None = Field(default=None, repr=False)
    """Lets them in there; None where the broker signs none."""


class Lease(BaseModel):
    """The broker's promise to list an instance until `ttl_s` from now; a heartbeat renews it."""

    model_config = ConfigDict(frozen=True)

    instance_id: Label
    ttl_s: float = Field(gt=0)
    shadow: Shadow | None = None
    """Where to send copies of requests until the next heartbeat; None for none."""


class Reasons(BaseModel):
    """What a candidate's score is made of, for those who ask for it with `explain`."""

    model_config = ConfigDict(frozen=True)

    rtt_ms: float
    """The expected round trip."""
    rtt_from: Literal["distance", "reports", "unknown place"]
    """Where that comes from: a model of the distance, what devices nearby measured, or nothing but a default."""
    transfer_ms: float = 0.0
    """Expected for the request's bytes on the uplink."""
    service_ms: float
    """The instance's own time for a request."""
    wait_ms: float
    """Expected in its queue, from its load."""
    crowding_ms: float
    """By which one more device makes its others wait longer, in sum."""
    use: float
    """Its load and what it was lately offered for, over its capacity."""
    cost_per_million: float
    """Of a million requests, in the fleet's currency."""
    cost_ms: float
    """That cost as the objective weighs it against time."""
    matchers_ms: float = 0.0
    """What installed matchers added."""


class Candidate(BaseModel):
    """An instance that the broker offers to a device."""

    model_config = ConfigDict(frozen=True)

    instance: Instance
    distance_km: float | None = Field(default=None, ge=0)
    """From the device, along a great circle; None when either place is unknown."""
    score_ms: float = Field(ge=0)
    """The expected response time that it was ranked by, before the device has measured anything; cost and matchers
    count in as milliseconds."""
    reasons: Reasons | None = None


class Candidates(BaseModel):
    """The body of `GET /v1/services/{name}/candidates`: the best first."""

    model_config = ConfigDict(frozen=True)

    service: ServiceName
    candidates: tuple[Candidate, ...]
    ttl_s: float = Field(gt=0)
    """Ask again after this long; use it for longer when the broker does not answer."""
    token: str | None = None
    """Lets this device use the service until it expires; None where the broker asks for no authentication."""
    token_ttl_s: float | None = Field(default=None, gt=0)
