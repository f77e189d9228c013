"""What the descriptions of paths are made of, as OpenAPI 3.1 has them."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def object_of(properties: Mapping[str, Schema]) -> Schema:
    """A JSON object of just these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def operation(summary: str, problem: Schema, reply: Schema, status: int = 200) -> Schema:
    """A method of a path: its reply, and `problem` for any other status."""
    return {"summary": summary, "responses": {str(status): reply, "default": problem}}


def content_of(media_type: str, schema: Schema) -> Schema:
    """A response of one media type."""
    return {"description": "The reply.", "content": {media_type: {"schema": schema}}}


def json_of(schema: Schema) -> Schema:
    """A response of JSON."""
    return content_of("application/json", schema)


def required(content: Schema) -> Schema:
    """A body that must be there, by media type."""
    return {"required": True, "content": content}


def ref(name: str) -> Schema:
    """The definition of that name."""
    return {"$ref": f"#/components/schemas/{name}"}
