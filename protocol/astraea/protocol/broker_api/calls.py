"""What can be asked of a broker: each call as a value, to be sent by whichever client there is.

Who may do what is in `docs/broker.md`; a broker that asks nobody for a key lets everybody do everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from ..instance import Candidates, Instance, Lease, Load, Location
from .asking import Ask, Enrolment, Report, Reported, ServiceToken
from .operating import (
    AuditEntry,
    Health,
    IssuedCode,
    IssuedKey,
    KnownDevice,
    KnownKey,
    NewCode,
    NewKey,
    Role,
    ServiceSignals,
    ServiceSummary,
    Sharing,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and what its answer is read as."""

    method: str
    path: str
    answer: type[T]
    """NoneType for an answer without a body."""
    body: BaseModel | None = None
    query: Mapping[str, Any] | None = None

    def read(self, content: bytes) -> T:
        """The answer in the body of a reply.

        Raises:
            ValueError: it is none.
        """
        return TypeAdapter(self.answer).validate_json(content or b"null")


def is_live() -> Call[Health]:
    """Whether the broker answers at all."""
    return Call("GET", "/livez", Health)


def is_ready() -> Call[Health]:
    """Whether registrations are kept: refused with 503 while the broker can't use its store."""
    return Call("GET", "/readyz", Health)


def register(instance: Instance) -> Call[Lease]:
    """Register an instance or renew its lease."""
    return Call("PUT", _instance(instance.id), Lease, instance)


def renew(instance_id: str, load: Load) -> Call[Lease]:
    """Renew a lease by saying no more than the load; refused with 404 when the instance has to register (again)."""
    return Call("PUT", f"{_instance(instance_id)}/load", Lease, load)


def deregister(instance_id: str) -> Call[None]:
    """Sign an instance off; harmless for one that is not there."""
    return Call("DELETE", _instance(instance_id), type(None))


def instances(service: str | None = None) -> Call[list[Instance]]:
    """The live instances of one service, or of all, by id."""
    return Call("GET", "/v1/instances", list[Instance], query=None if service is None else {"service": service})


def services() -> Call[list[ServiceSummary]]:
    """The services that have live instances, by name."""
    return Call("GET", "/v1/services", list[ServiceSummary])


def candidates(service: str, ask: Ask) -> Call[Candidates]:
    """The instances that suit a device best; refused with 404 while nobody offers the service."""
    query = ask.model_dump(mode="json", exclude_defaults=True)
    return Call("GET", f"{_service(service)}/candidates", Candidates, query=query)


def report(location: Location | None, reports: list[Report]) -> Call[dict[str, int]]:
    """Tell what a device measured; `known` of the reports are about instances that are listed."""
    return Call("POST", "/v1/reports", dict[str, int], Reported(location=location, reports=reports))


def enrol(code: str) -> Call[IssuedKey]:
    """Take a code, once, for a device's own key."""
    return Call("POST", "/v1/enrol", IssuedKey, Enrolment(code=code))


def token(service: str, role: Role | None = None) -> Call[ServiceToken]:
    """A token for one service: as candidates carry it, or an operator's, with the rights of this role there."""
    query = None if role is None else {"role": role.value}
    return Call("POST", f"{_service(service)}/token", ServiceToken, query=query)


def sharing(service: str) -> Call[Sharing]:
    """How a service's devices are shared out among its revisions."""
    return Call("GET", f"{_service(service)}/sharing", Sharing)


def signals(service: str) -> Call[ServiceSignals]:
    """What devices make of a service; of one that nobody knows, nothing."""
    return Call("GET", f"{_service(service)}/signals", ServiceSignals)


def share_out(service: str, wanted: Sharing) -> Call[Sharing]:
    """Set weights of revisions and the objective."""
    return Call("PUT", f"{_service(service)}/sharing", Sharing, wanted)


def share_alike(service: str) -> Call[None]:
    """Treat every revision alike again."""
    return Call("DELETE", f"{_service(service)}/sharing", type(None))


def draining() -> Call[list[str]]:
    """The nodes that are being drained."""
    return Call("GET", "/v1/draining", list[str])


def drain(node: str) -> Call[None]:
    """Offer a node's instances to nobody any more."""
    return Call("PUT", f"/v1/nodes/{_quoted(node)}/draining", type(None))


def stop_draining(node: str) -> Call[None]:
    """Offer them again."""
    return Call("DELETE", f"/v1/nodes/{_quoted(node)}/draining", type(None))


def keys() -> Call[list[KnownKey]]:
    """All API keys, without their secrets."""
    return Call("GET", "/v1/keys", list[KnownKey])


def make_key(wanted: NewKey) -> Call[IssuedKey]:
    """Make an API key for an operator or for nodes."""
    return Call("POST", "/v1/keys", IssuedKey, wanted)


def revoke_key(key_id: str) -> Call[None]:
    """Make a key worthless; it can't be undone."""
    return Call("DELETE", f"/v1/keys/{_quoted(key_id)}", type(None))


def devices() -> Call[list[KnownDevice]]:
    """All enrolled devices."""
    return Call("GET", "/v1/devices", list[KnownDevice])


def revoke_device(device_id: str) -> Call[None]:
    """Send a device away; tokens that it has hold for a quarter of an hour at most."""
    return Call("DELETE", f"/v1/devices/{_quoted(device_id)}", type(None))


def make_code(wanted: NewCode) -> Call[IssuedCode]:
    """Make a code by which one device enrols."""
    return Call("POST", "/v1/enrolment-codes", IssuedCode, wanted)


def rotate_signing_keys() -> Call[dict[str, str]]:
    """Publish a new signing key now, its id as `kid`; it signs as soon as edge servers must have read it."""
    return Call("POST", "/v1/signing-keys", dict[str, str])


def signing_keys() -> Call[dict[str, list[dict[str, Any]]]]:
    """The keys to check tokens by (RFC 7517)."""
    return Call("GET", "/.well-known/jwks.json", dict[str, list[dict[str, Any]]])


def audit(limit: int = 100) -> Call[list[AuditEntry]]:
    """Who did what, the newest first."""
    return Call("GET", "/v1/audit", list[AuditEntry], query={"limit": limit})


def _instance(instance_id: str) -> str:
    return f"/v1/instances/{_quoted(instance_id)}"


def _service(name: str) -> str:
    return f"/v1/services/{_quoted(name)}"


def _quoted(part: str) -> str:
    return quote(part, safe="")
