"""What operators call: sharing out services, draining nodes, keys, devices, the audit trail."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request

from astraea.protocol.broker_api import (
    AuditEntry,
    Enrolment,
    IssuedCode,
    IssuedKey,
    KnownDevice,
    KnownKey,
    NewCode,
    NewKey,
    Role,
    ServiceToken,
    Sharing,
)
from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from ..access import DEPLOYERS, DEVICES, RIGHTS_AT_EDGES, VIEWERS
from ..access.access import CODE_LIFETIME_S
from .common import Admin, Deployer, TheBroker, Viewer, broker_of
from .gate import admit, gate_of

router = APIRouter(prefix="/v1")

_MAY_HAVE_TOKEN = {None: DEVICES, Role.VIEWER: VIEWERS, Role.DEPLOYER: DEPLOYERS}
KeyId = Annotated[str, Path(pattern=r"^[kd][0-9a-f]{12}$")]


@router.get("/services/{name}/sharing")
async def sharing(name: ServiceName, broker: TheBroker, _: Viewer) -> Sharing:
    """How a service's devices are shared out among its revisions."""
    return broker.sharings.items.get(name, Sharing())


@router.put("/services/{name}/sharing")
async def share_out(name: ServiceName, wanted: Sharing, broker: TheBroker, operator: Deployer) -> Sharing:
    """Set weights of revisions (canaries first) and the objective; holds for every question from now on."""
    broker.access.note(operator, "share out", name, wanted.model_dump_json())
    await broker.share_out(name, wanted)
    return wanted


@router.delete("/services/{name}/sharing", status_code=HTTPStatus.NO_CONTENT)
async def share_alike(name: ServiceName, broker: TheBroker, operator: Deployer) -> None:
    """Treat every revision alike again."""
    broker.access.note(operator, "share out", name, "every revision alike")
    await broker.share_out(name, None)


@router.get("/draining")
async def draining(broker: TheBroker, _: Viewer) -> list[str]:
    """The nodes that are being drained."""
    return sorted(broker.draining.items)


@router.put("/nodes/{node}/draining", status_code=HTTPStatus.NO_CONTENT)
async def drain(node: Label, broker: TheBroker, operator: Deployer) -> None:
    """Offer a node's instances to nobody any more."""
    broker.access.note(operator, "drain", node)
    await broker.drain(node, draining=True)


@router.delete("/nodes/{node}/draining", status_code=HTTPStatus.NO_CONTENT)
async def stop_draining(node: Label, broker: TheBroker, operator: Deployer) -> None:
    """Offer them again."""
    broker.access.note(operator, "stop draining", node)
    await broker.drain(node, draining=False)


@router.get("/keys")
async def keys(broker: TheBroker, _: Admin) -> list[KnownKey]:
    """All API keys, without their secrets."""
    return [KnownKey(id=key_id, **key.model_dump()) for key_id, key in sorted(broker.access.keys.items.items())]


@router.post("/keys", status_code=HTTPStatus.CREATED)
async def make_key(wanted: NewKey, broker: TheBroker, operator: Admin) -> IssuedKey:
    """Make an API key for an operator or for nodes."""
    if wanted.role is Role.DEVICE:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "body.role: devices enrol, with a code")
    issued = await broker.access.make_key(operator, wanted.name, wanted.role)
    return IssuedKey(id=issued.id, key=issued.secret)


@router.delete("/keys/{key_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_key(key_id: KeyId, broker: TheBroker, operator: Admin) -> None:
    """Make a key worthless; it can't be undone."""
    await broker.access.revoke(operator, key_id)


@router.get("/devices")
async def devices(broker: TheBroker, _: Viewer) -> list[KnownDevice]:
    """All enrolled devices."""
    known = sorted(broker.access.devices.items.items())
    return [KnownDevice(id=device_id, **device.model_dump()) for device_id, device in known]


@router.delete("/devices/{key_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_device(key_id: KeyId, broker: TheBroker, operator: Admin) -> None:
    """Send a device away; tokens that it has hold for 15 minutes at most."""
    await broker.access.revoke(operator, key_id)


@router.post("/enrolment-codes", status_code=HTTPStatus.CREATED)
async def make_code(wanted: NewCode, broker: TheBroker, operator: Deployer) -> IssuedCode:
    """Make a code by which one device enrols within the hour."""
    code = await broker.access.make_code(operator, wanted.name, wanted.services)
    return IssuedCode(code=code, ttl_s=CODE_LIFETIME_S)


@router.post("/enrol", status_code=HTTPStatus.CREATED)
async def enrol(request: Request, enrolment: Enrolment) -> IssuedKey:
    """Take a code, once, for a device's own key. Whoever guesses is slowed down."""
    gate_of(request).count_failure(request)
    issued = await broker_of(request).access.enrol(enrolment.code)
    return IssuedKey(id=issued.id, key=issued.secret)


@router.post("/services/{name}/token")
async def token(
    request: Request, name: ServiceName, role: Literal[Role.VIEWER, Role.DEPLOYER] | None = None
) -> ServiceToken:
    """A token for one service: as candidates carry it, or an operator's, with the rights of this role at its instances.

    There a viewer's reads `/metrics` and the model repository, a deployer's also loads versions.
    """
    principal = admit(request, _MAY_HAVE_TOKEN[role])
    access = broker_of(request).access
    if (signed := access.token(principal, name, RIGHTS_AT_EDGES[role] if role else ())) is None:
        raise HTTPException(HTTPStatus.FORBIDDEN, f"this device may not use {name!r}")
    return ServiceToken(token=signed.text, ttl_s=access.left_s(signed))


@router.post("/signing-keys", status_code=HTTPStatus.CREATED)
async def rotate(broker: TheBroker, operator: Admin) -> dict[str, str]:
    """Publish a new signing key now; it signs as soon as edge servers must have read it."""
    return {"kid": await broker.access.rotate(operator)}


@router.get("/audit")
async def audit(broker: TheBroker, _: Admin, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[AuditEntry]:
    """Who did what, the newest first."""
    await broker.mirror.flush()
    return await broker.mirror.on_disk(lambda: broker.store.audit(limit))


well_known = APIRouter(tags=["operations"])


@well_known.get("/.well-known/jwks.json")
async def jwks(broker: TheBroker) -> dict[str, list[dict[str, Any]]]:
    """The keys to check tokens by (RFC 7517)."""
    return broker.access.tokens.jwks()
