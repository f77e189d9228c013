"""What the API's modules share: the broker behind a request, and what its path names."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from ..core import Broker


def broker_of(request: Request) -> Broker:
    """The broker that answers this request."""
    broker: Broker = request.app.state.broker
    return broker


async def _broker(request: Request) -> Broker:
    return broker_of(request)


TheBroker = Annotated[Broker, Depends(_broker)]

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
