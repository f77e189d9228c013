"""Routes that read their own request."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_T = TypeVar("_T", bound=BaseModel)


class DirectRoute(APIRoute):
    """A route whose endpoint is called with the request alone and returns a response.

    What devices and instances call all the time goes this way: resolving parameters and building a response as FastAPI
    does takes longer than all of the broker's own work. The OpenAPI document describes such a route by what it is
    declared with (`response_model`, `openapi_extra`).
    """

    def get_route_handler(self) -> Handler:
        """The endpoint itself: https://fastapi.tiangolo.com/how-to/custom-request-and-route/."""
        handler: Handler = self.endpoint
        return handler


class Shortcut:
    """ASGI middleware: leads requests for DirectRoutes to their endpoints, past FastAPI's way of finding a route.

    That way takes about as long as taking a heartbeat does. What isn't for one of these routes takes it all the same.

    Args:
        app: whatever else there is.
        routes: those that are not DirectRoutes are left to `app`.
        handlers: of exceptions, as the application's.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute], handlers: Mapping[Any, ExceptionHandler]) -> None:
        self._app = app
        self._routes = [
            (method, route.path_regex, route)
            for route in routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        ]
        expected = {kind: handler for kind, handler in handlers.items() if kind is not Exception}
        self._direct = ExceptionMiddleware(_answer, expected)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["type"] == "http" and not scope.get("root_path"):
            for method, path, route in self._routes:
                if method == scope["method"] and (found := path.match(scope["path"])):
                    scope["route"], scope["path_params"] = route, found.groupdict()
                    await self._direct(scope, receive, send)
                    return
        await self._app(scope, receive, send)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    response = await scope["route"].endpoint(Request(scope, receive, send))
    await response(scope, receive, send)


def parse_query(model: type[_T], request: Request) -> _T:
    """The query's parameters.

    Raises:
        RequestValidationError: as FastAPI would.
    """
    try:
        text = request.scope["query_string"].decode("latin-1")  # as Starlette, without its MultiDict
        return model.model_validate(dict(parse_qsl(text, keep_blank_values=True)))
    except ValidationError as error:
        raise _refused(error, "query") from None


async def parse_body(model: type[_T], request: Request) -> _T:
    """The body's JSON document.

    Raises:
        RequestValidationError: as FastAPI would.
    """
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise _refused(error, "body") from None


def json_response(document: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """A document as the body of a reply."""
    content = document.__pydantic_serializer__.to_json(document)
    return Response(content, headers=headers, media_type="application/json")


def described(
    path: dict[str, Any], *, query: type[BaseModel] | None = None, body: type[BaseModel] | None = None
) -> dict[str, Any]:
    """For a DirectRoute's `openapi_extra`: the parameters and the body that its endpoint reads itself.

    Args:
        path: types of the path's parameters by name.
        query: a model of the query's.
        body: a model of the body.
    """
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": TypeAdapter(of).json_schema()}
        for name, of in path.items()
    ]
    extra: dict[str, Any] = {"parameters": parameters + (_query_parameters(query) if query else [])}
    if body:
        content = {"application/json": {"schema": _whole_schema(body)}}
        extra["requestBody"] = {"required": True, "content": content}
    return extra


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": part.pop("description", ""), "schema": part}
        for name, part in _whole_schema(model)["properties"].items()
    ]


def _whole_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}))
    return inlined


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """A schema without references, since what they refer to isn't in the document."""
    if isinstance(part, dict):
        if "$ref" in part:
            return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
        return {key: _inlined(value, definitions) for key, value in part.items()}
    return [_inlined(value, definitions) for value in part] if isinstance(part, list) else part


def _refused(error: ValidationError, where: str) -> RequestValidationError:
    return RequestValidationError(
        [detail | {"loc": (where, *detail["loc"])} for detail in error.errors(include_url=False)]
    )
