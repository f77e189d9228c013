"""Names of images, read as Docker reads them.

https://github.com/distribution/reference, whose grammar leaves out the registry and `library/` of Docker Hub's images.
"""

import re
from typing import NamedTuple, Self

from ..errors import ImageError

DOCKER_HUB = "docker.io"

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_MAX_CHARS = 255


class Reference(NamedTuple):
    """An image in a registry."""

    host: str
    """The registry's host, with its port if it is not the usual one."""
    repository: str
    tag: str = "latest"
    digest: str | None = None
    """When given it says which image is meant, whatever the tag has come to name."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`; without a host it is one of Docker Hub's.

        Raises:
            ImageError: it is no name of an image.
        """
        match = _REFERENCE.fullmatch(text) if len(text) <= _MAX_CHARS else None
        if match is None:
            raise ImageError(
                f"{text!r} is no name of an image", hint="write it as HOST[:PORT]/NAME[:TAG], names in lower case"
            )
        host, path = match["host"], match["path"]
        if host is not None and host != "localhost" and not {".", ":"} & set(host):
            host, path = None, f"{host}/{path}"  # a user of Docker Hub
        if host is None:
            host, path = DOCKER_HUB, path if "/" in path else f"library/{path}"
        return cls(host, path, match["tag"] or "latest", match["digest"])

    @property
    def pinned(self) -> str:
        """What tells the image from others of its repository: its digest, else its tag."""
        return self.digest or self.tag

    def at(self, digest: str | None) -> "Reference":
        """The same name, held to one content, or to none."""
        return self._replace(digest=digest)

    @property
    def referrers(self) -> "Reference":
        """Where a registry without referrers lists what is attached to the content that this is held to."""
        return self._replace(tag=str(self.digest).replace(":", "-"), digest=None)

    def __str__(self) -> str:
        """The name that engines pull by."""
        return f"{self.host}/{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")
