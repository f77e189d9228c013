"""What edge servers and devices call: instances, candidates, reports."""

from hashlib import blake2b
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Request, Response

from astraea.protocol import Candidates, Instance, Lease, Load
from astraea.protocol.broker_api import Ask, Reported, ServiceSignals, ServiceSummary
from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from ..access import DEVICES, NODES, Principal
from ..core import Broker
from .common import Device, Node, TheBroker, Viewer, broker_of, checked_label, checked_service
from .gate import admit
from .routes import DirectRoute, described, json_response, parse_body, parse_query

direct = APIRouter(prefix="/v1", route_class=DirectRoute)
"""What is called all the time."""
router = APIRouter(prefix="/v1")


_REGISTRATION = described({"instance_id": Label}, body=Instance)
_RENEWAL = described({"instance_id": Label}, body=Load)
_QUESTION = described({"name": ServiceName}, query=Ask)


@direct.put("/instances/{instance_id}", response_model=Lease, openapi_extra=_REGISTRATION)
async def register(request: Request) -> Response:
    """Register an instance or renew its lease: the same call, to be repeated at a third of `ttl_s`."""
    admit(request, NODES)
    instance_id = checked_label(request)
    instance = await parse_body(Instance, request)
    if instance.id != instance_id:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"body.id: expected {instance_id!r} as in the path, found {instance.id!r}"
        )
    return json_response(await broker_of(request).register(instance))


@direct.put("/instances/{instance_id}/load", response_model=Lease, openapi_extra=_RENEWAL)
async def renew(request: Request) -> Response:
    """Renew a lease by saying no more than the load; 404 when the instance has to register (again)."""
    admit(request, NODES)
    instance_id = checked_label(request)
    lease = await broker_of(request).renew(instance_id, await parse_body(Load, request))
    if lease is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no instance {instance_id!r} holds a lease: register it")
    return json_response(lease)


@direct.get("/services/{name}/candidates", response_model=Candidates, openapi_extra=_QUESTION)
async def candidates(request: Request) -> Response:
    """The instances that suit a device best, the best first; those that its limits rule out are not among them."""
    principal = admit(request, DEVICES)
    ask = parse_query(Ask, request)
    if (ask.lat is None) != (ask.lon is None):
        missing = "lat" if ask.lat is None else "lon"
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"query.{missing}: missing; give both lat and lon, or none"
        )
    service, broker = checked_service(request), broker_of(request)
    broker.asked(service)
    found = _with_token(broker, broker.candidates(service, ask), principal)
    tag = _tag(found)
    headers = {"etag": tag, "cache-control": f"private, max-age={found.ttl_s:.0f}"}
    if request.headers.get("if-none-match") == tag:
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return json_response(found, headers)


@router.delete("/instances/{instance_id}", status_code=HTTPStatus.NO_CONTENT)
async def deregister(instance_id: Label, broker: TheBroker, _: Node) -> None:
    """Sign an instance off; harmless for one that is not there."""
    await broker.deregister(instance_id)


@router.get("/instances")
async def instances(broker: TheBroker, _: Viewer, service: ServiceName | None = None) -> list[Instance]:
    """The live instances of one service, or of all, by id."""
    return broker.instances(service)


@router.get("/services")
async def services(broker: TheBroker, _: Viewer) -> list[ServiceSummary]:
    """The services that have live instances, by name."""
    figures = sorted(broker.figures().items())
    return [ServiceSummary(name=name, instances=of_service.instances) for name, of_service in figures]


@router.get("/services/{name}/signals")
async def signals(name: ServiceName, broker: TheBroker, _: Viewer) -> ServiceSignals:
    """What devices make of a service: when one last asked for it, and what became of their frames by revision."""
    return broker.signals(name)


@router.post("/reports", status_code=HTTPStatus.ACCEPTED)
async def report(reported: Annotated[Reported, Body()], broker: TheBroker, _: Device) -> dict[str, int]:
    """Tell what a device measured on its way to instances; `known` of them are listed here."""
    return {"known": broker.report(reported.location, reported.reports)}


def _with_token(broker: Broker, found: Candidates, principal: Principal) -> Candidates:
    token = broker.access.token(principal, found.service)
    if token is None:
        if broker.access.signing_keys.items:
            raise HTTPException(HTTPStatus.FORBIDDEN, f"this device may not use {found.service!r}")
        return found
    return Candidates(
        service=found.service,
        candidates=found.candidates,
        ttl_s=found.ttl_s,
        token=token.text,
        token_ttl_s=broker.access.left_s(token),
    )


def _tag(found: Candidates) -> str:
    """Changes when the device has anything new to do: other instances, another order, another token."""
    parts = [f"{c.instance.id} {c.instance.revision} {c.instance.url}" for c in found.candidates]
    return f'W/"{blake2b(repr((parts, found.token)).encode(), digest_size=9).hexdigest()}"'
