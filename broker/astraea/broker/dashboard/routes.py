"""The dashboard's addresses."""

from http import HTTPStatus
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from astraea.protocol.broker_api import Sharing
from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from ..access import DEPLOYERS, VIEWERS, Principal
from ..api.common import TheBroker
from ..api.gate import COOKIE, admit, from_own_page, gate_of
from ..core import Broker
from ..errors import UnknownServiceError
from ..selection import abort, promote
from . import worldmap
from .view import AskedOf, device_view, overview

router = APIRouter(include_in_schema=False)

_FOLDER = files(__name__.rpartition(".")[0])
_TEMPLATES = Environment(
    loader=FileSystemLoader(str(_FOLDER)),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_MEDIA_TYPES = {"dashboard.css": "text/css", "dashboard.js": "text/javascript"}
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


async def _viewer(request: Request) -> Principal:
    return admit(request, VIEWERS)


async def _deployer(request: Request) -> Principal:
    """Whoever may change things, from one of these pages: other sites' forms reach a browser's loopback as well."""
    if not from_own_page(request):
        raise HTTPException(HTTPStatus.FORBIDDEN, "this form was not sent from the dashboard")
    return admit(request, DEPLOYERS)


_Viewer = Annotated[Principal, Depends(_viewer)]
_Deployer = Annotated[Principal, Depends(_deployer)]


@router.get("/")
async def home(
    request: Request,
    broker: TheBroker,
    asked: Annotated[AskedOf, Query()],
) -> Response:
    """The page; with a service, what a device at a place would be told of it."""
    try:
        principal = admit(request, VIEWERS)
    except HTTPException as refused:
        if refused.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    told, failure = None, None
    if asked.service is not None:
        try:
            told = device_view(broker, asked)
        except UnknownServiceError as error:
            failure = str(error)
    return _page(
        "dashboard.html.j2",
        view=overview(broker, request.app.state.history),
        map=worldmap,
        principal=principal,
        closed=gate_of(request).closed,
        asked=asked,
        told=told,
        failure=failure,
    )


@router.get("/dashboard/{name}")
async def file(name: str) -> Response:
    """A style sheet or script."""
    if name not in _MEDIA_TYPES:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    headers = _HEADERS | {"cache-control": "max-age=300"}
    return Response((_FOLDER / name).read_bytes(), 200, headers, media_type=_MEDIA_TYPES[name])


@router.get("/login")
async def login_page() -> Response:
    """Where an operator's key is asked for."""
    return _page("login.html.j2", failed=False)


@router.post("/login")
async def login(request: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
    """Keep a good key in a cookie that scripts can't read and other sites can't use."""
    principal = gate_of(request).access.identify(key.strip())
    if principal is None or principal.role not in VIEWERS:
        gate_of(request).count_failure(request)
        return _page("login.html.j2", HTTPStatus.UNAUTHORIZED, failed=True)
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, key.strip(), httponly=True, samesite="strict", secure=secure)
    return response


@router.post("/logout")
async def logout() -> Response:
    """Forget the key."""
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE)
    return response


@router.post("/dashboard/services/{name}/promote")
async def promote_revision(
    name: ServiceName, revision: Annotated[Label, Form()], broker: TheBroker, operator: _Deployer
) -> Response:
    """Give a revision all devices."""
    await _share_out(broker, operator, name, promote(_sharing(broker, name), revision))
    return _back()


@router.post("/dashboard/services/{name}/abort")
async def abort_revision(
    name: ServiceName, revision: Annotated[Label, Form()], broker: TheBroker, operator: _Deployer
) -> Response:
    """Take all devices from a revision."""
    others = {instance.revision for instance in broker.instances(name)} - {revision}
    await _share_out(broker, operator, name, abort(_sharing(broker, name), revision, others))
    return _back()


@router.post("/dashboard/services/{name}/weights")
async def set_weights(request: Request, name: ServiceName, broker: TheBroker, operator: _Deployer) -> Response:
    """Share a service's devices out by the weights in a form."""
    form = await request.form()
    try:
        weights = {revision: float(str(weight)) for revision, weight in form.items() if weight != ""}
        wanted = _sharing(broker, name).model_copy(update={"weights": weights})
        await _share_out(broker, operator, name, Sharing.model_validate(wanted.model_dump()))
    except ValueError:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "weights are numbers, one of them above 0") from None
    return _back()


@router.post("/dashboard/nodes/{node}/{action}")
async def drain(node: Label, action: str, broker: TheBroker, operator: _Deployer) -> Response:
    """Drain a node, or stop that."""
    if action not in {"drain", "undrain"}:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    broker.access.note(operator, "drain" if action == "drain" else "stop draining", node)
    await broker.drain(node, draining=action == "drain")
    return _back()


async def _share_out(broker: Broker, operator: Principal, name: str, wanted: Sharing) -> None:
    broker.access.note(operator, "share out", name, wanted.model_dump_json())
    await broker.share_out(name, wanted)


def _sharing(broker: Broker, name: str) -> Sharing:
    return broker.sharings.items.get(name, Sharing())


def _back() -> Response:
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


def _page(name: str, status: int = 200, **shown: object) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(name).render(shown), status, _HEADERS)
