"""The protocol's model repository: what is served, and how another version takes its place.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md

The repository is the service's folder, and holds one model. `load` reads the folder again, and answers when what it
found serves, or why it doesn't. The instance's own key opens it, and so do the broker's tokens for operators: with a
viewer's rights to read, with a deployer's to load.
"""

from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from astraea.protocol import AstraeaError
from astraea.protocol.broker_api import Role

from ..api import Api
from ..auth import Guard
from ..errors import BadInputError, ForbiddenError, UnavailableError
from ..exchange import ClientGoneError, read_body
from ..inputs import explain
from .documents import IndexEntry, Loaded, LoadRequest

Load = Callable[[str | None], Awaitable[str]]
"""Loads what is in the service's folder, under this revision if one is given; its revision."""

_MAX_BODY_BYTES = 16 * 1024


def repository_routes(api: Api, guard: Guard | None, load: Load, check_name: Callable[[str], None]) -> list[Route]:
    """`POST /v2/repository/index` and `POST /v2/repository/models/{name}/load`.

    Args:
        api: What the endpoints share.
        guard: Knows whose requests these are; None lets all read, and none load.
        load: Replaces the service.
        check_name: Raises an HTTPException if no model has this name.
    """

    async def index(request: Request) -> Response:
        if guard is not None:
            guard.check(dict(request.scope["headers"]).get(b"authorization"), Role.VIEWER)
        instance = api.instance()
        state, reason = "READY", ""
        try:
            api.loaded()
        except UnavailableError as error:
            state, reason = "UNAVAILABLE", str(error)
        entry = IndexEntry(name=instance.service, version=instance.revision, state=state, reason=reason)
        return Response(b"[%s]" % entry.model_dump_json().encode(), media_type="application/json")

    async def load_model(request: Request) -> Response:
        headers = dict(request.scope["headers"])
        if guard is None:
            raise ForbiddenError(
                "a server that asks nobody for a token loads nothing (--api-key-file and --jwks make it ask); on its"
                " node, SIGHUP does the same"
            )
        guard.check(headers.get(b"authorization"), Role.DEPLOYER)
        check_name(request.path_params["model"])
        try:
            revision = _revision_of(await read_body(headers, request.receive, _MAX_BODY_BYTES))
        except ClientGoneError:
            return Response()
        try:
            loaded = Loaded(name=api.instance().service, version=await load(revision))
        except AstraeaError as error:
            raise BadInputError(f"the load failed: {error}") from error
        return Response(loaded.model_dump_json(), media_type="application/json")

    return [
        Route("/v2/repository/index", index, methods=["POST"]),
        Route("/v2/repository/models/{model}/load", load_model, methods=["POST"]),
    ]


def _revision_of(body: bytes) -> str | None:
    try:
        return LoadRequest.model_validate_json(body or b"{}").parameters.revision
    except ValidationError as error:
        raise BadInputError(explain(error)) from None
