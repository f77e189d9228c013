"""Problem documents: how every HTTP interface of Astraea reports an error (RFC 9457)."""

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """The body of an error reply, sent as `application/problem+json`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = "about:blank"
    """A URI that names the kind of problem; `about:blank` when the status says it all."""
    title: str
    """The kind in a few words, the same for every occurrence."""
    status: int = Field(ge=400, le=599)
    detail: str | None = None
    """This occurrence: what was wrong and what would have been right."""
    instance: str | None = None
    """A URI or id of this occurrence, to find it in the log."""
