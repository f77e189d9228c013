"""The pages for people: one to try the service, one that shows its API. All of them are here, nothing is fetched."""

from collections.abc import Mapping
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_MEDIA_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript"}
_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
_FILES = {
    file.name: file.read_bytes()
    for file in files(__name__).iterdir()
    if file.is_file() and file.name.rpartition(".")[2] in _MEDIA_TYPES
}


def page(name: str) -> Response:
    """A file of this folder.

    Raises:
        HTTPException: There is none of this name.
    """
    if name not in _FILES:
        raise HTTPException(404)
    return Response(_FILES[name], 200, _HEADERS, media_type=_MEDIA_TYPES[name.rpartition(".")[2]])


def wants_page(request: Request) -> bool:
    """Whether it comes from a browser's address bar, rather than from a program that reads JSON."""
    return "text/html" in request.headers.get("accept", "")
