"""The description of what video and streams are sent to, and of where their results are followed.

OpenAPI has no words for a WebSocket, or for what WebRTC carries: docs/stream-protocol.md and docs/webrtc.md have.
"""

from .openapi_parts import Schema, content_of, json_of, object_of, operation, required
from .streams.pulling import StreamRequest
from .webrtc.fragments import FRAGMENT_MEDIA_TYPE, SDP_MEDIA_TYPE

_TEXT: Schema = {"type": "string"}
_SESSION: Schema = {"name": "session", "in": "path", "required": True, "schema": _TEXT}
_STREAM = object_of(
    {
        "id": _TEXT,
        "source": _TEXT | {"description": "Without its password."},
        "state": {"enum": ["connecting", "reading", "away"]},
        "trouble": {"type": ["string", "null"], "description": "Why it is away."},
        "results": _TEXT | {"description": "The path of its results."},
        "video": _TEXT | {"description": "The path of its video, with the boxes drawn."},
    }
)


def stream_paths(problem: Schema) -> Schema:
    """The paths, by name.

    Args:
        problem: The response of any error.
    """
    return {
        "/stream": {"get": _stream(problem)},
        "/whip": {"post": _publish(problem)},
        "/whip/{session}": {
            "parameters": [_SESSION],
            "patch": _trickle(problem),
            "delete": operation("End what is published", problem, {"description": "It has ended."}),
        },
        "/streams": {
            "post": operation("Have the server read a video itself", problem, json_of(_STREAM), 201)
            | {"requestBody": required({"application/json": {"schema": StreamRequest.model_json_schema()}})},
            "get": operation(
                "Which videos the server reads",
                problem,
                json_of(object_of({"streams": {"type": "array", "items": _STREAM}})),
            ),
        },
        "/streams/{session}": {
            "parameters": [_SESSION],
            "delete": operation("Read a video no more", problem, {"description": "It has ended."}, 204),
        },
        "/results/{session}": {
            "parameters": [_SESSION],
            "get": operation(
                "Follow the results of a session, as Server-Sent Events",
                problem,
                content_of("text/event-stream", _TEXT),
            ),
        },
        "/video/{session}": {
            "parameters": [_SESSION],
            "get": operation(
                "Follow the video of a session, as Motion JPEG with the boxes drawn",
                problem,
                content_of("multipart/x-mixed-replace", {}),
            ),
        },
    }


def _stream(problem: Schema) -> Schema:
    # No enum: a request without an upgrade is answered 426, whatever it asks for.
    order = {"name": "order", "in": "query", "schema": _TEXT, "description": "Of the results: `done`, or as `sent`."}
    session = {"name": "session", "in": "query", "schema": _TEXT, "description": "The one to go on with."}
    opened = {"description": "A WebSocket of frames and results."}
    return operation("Open a stream, by a WebSocket's upgrade", problem, opened, 101) | {"parameters": [order, session]}


def _publish(problem: Schema) -> Schema:
    reply = content_of(SDP_MEDIA_TYPE, _TEXT)
    reply["headers"] = {name: {"schema": _TEXT} for name in ("Location", "ETag", "Link")}
    body = {"requestBody": required({SDP_MEDIA_TYPE: {"schema": _TEXT}})}
    return operation("Publish video by WebRTC (WHIP, RFC 9725): an offer", problem, reply, 201) | body


def _trickle(problem: Schema) -> Schema:
    operation_ = operation("Add candidates, or restart ICE", problem, content_of(FRAGMENT_MEDIA_TYPE, _TEXT))
    operation_["responses"]["204"] = {"description": "The candidates were taken."}
    operation_["requestBody"] = required({FRAGMENT_MEDIA_TYPE: {"schema": _TEXT}})
    condition = {"name": "If-Match", "in": "header", "required": True, "schema": _TEXT}
    return operation_ | {"parameters": [condition | {"description": "The session's ETag, or * to restart ICE."}]}
