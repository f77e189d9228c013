"""The STUN and TURN servers that help peers behind NATs and firewalls to reach this one."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import SecretStr

from ..errors import OptionError

_URL = re.compile(r"(stun|turn|turns):([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?(\?transport=(udp|tcp))?")
_VALID_S = 12 * 3600  # a credential must live as long as the allocation that was made with it


class IceServer(NamedTuple):
    """A server, and how to be let in."""

    url: str
    """`stun:HOST[:PORT]` (RFC 7064), `turn:` or `turns:HOST[:PORT][?transport=udp|tcp]` (RFC 7065)."""
    username: str | None = None
    credential: str | None = None

    def to_link(self) -> str:
        """As the value of a `Link` header (RFC 9725, 4.6)."""
        link = f'<{self.url}>; rel="ice-server"'
        if self.username is not None:
            link += f'; username="{self.username}"; credential="{self.credential}"; credential-type="password"'
        return link


@dataclass(frozen=True)
class IceServers:
    """Those that peers are told, and the server itself uses."""

    urls: tuple[str, ...] = ()
    secret: SecretStr | None = field(default=None, repr=False)
    """What the TURN server and this one share; coturn calls it `static-auth-secret`."""

    def __post_init__(self) -> None:
        for url in self.urls:
            if not _URL.fullmatch(url):
                raise OptionError(
                    f"--ice-server: {url!r} is no address of a STUN or TURN server",
                    hint="for example stun:stun.example:3478 or turn:turn.example:3478?transport=udp",
                )
            if url.startswith("turn") and self.secret is None:
                raise OptionError(
                    f"--ice-server: {url} needs a secret to let peers in",
                    hint="put the TURN server's static-auth-secret into a file, and name it with --turn-secret-file",
                )

    def usable_now(self, now_s: float) -> list[IceServer]:
        """The servers with credentials that expire: https://datatracker.ietf.org/doc/html/draft-uberti-behave-turn-rest-00.

        Args:
            now_s: Seconds since 1970.
        """
        return [self._with_credential(url, now_s) for url in self.urls]

    def _with_credential(self, url: str, now_s: float) -> IceServer:
        if self.secret is None or not url.startswith("turn"):
            return IceServer(url)
        username = f"{int(now_s) + _VALID_S}:astraea"
        digest = hmac.digest(self.secret.get_secret_value().encode(), username.encode(), hashlib.sha1)
        return IceServer(url, username, base64.b64encode(digest).decode())
