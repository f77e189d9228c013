"""What the API's modules share: the broker behind a request, and what its path names."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from astraea.protocol.broker_api import Role
from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from ..access import ADMINS, DEPLOYERS, DEVICES, NODES, VIEWERS, Principal
from ..core import Broker
from .gate import admit


def broker_of(request: Request) -> Broker:
    """The broker that answers this request."""
    broker: Broker = request.app.state.broker
    return broker


async def _broker(request: Request) -> Broker:
    return broker_of(request)


def _admitted(roles: frozenset[Role]) -> Any:
    async def principal(request: Request) -> Principal:
        return admit(request, roles)

    return Depends(principal)


TheBroker = Annotated[Broker, Depends(_broker)]
Node = Annotated[Principal, _admitted(NODES)]
Device = Annotated[Principal, _admitted(DEVICES)]
Viewer = Annotated[Principal, _admitted(VIEWERS)]
Deployer = Annotated[Principal, _admitted(DEPLOYERS)]
Admin = Annotated[Principal, _admitted(ADMINS)]

_LABEL: TypeAdapter[str] = TypeAdapter(Label)
_SERVICE: TypeAdapter[str] = TypeAdapter(ServiceName)


def checked_label(request: Request, name: str = "instance_id") -> str:
    """A label from the path of a DirectRoute."""
    return _checked(_LABEL, request.path_params[name], name)


def checked_service(request: Request) -> str:
    """A service's name from the path of a DirectRoute."""
    return _checked(_SERVICE, request.path_params["name"], "name")


def _checked(adapter: TypeAdapter[str], value: str, name: str) -> str:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise RequestValidationError(
            [detail | {"loc": ("path", name)} for detail in error.errors(include_url=False)]
        ) from None
