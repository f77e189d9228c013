"""The ways into one instance for video and other streams, and the places to follow them."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from .answering import Answering
from .streams.pulling import Pulling
from .streams.session import Sessions
from .streams.sources import Sources
from .streams.video import Videos
from .streams.watching import watching_routes
from .webrtc.ice import IceServers
from .webrtc.whip import Whip


class Streaming:
    """All of them, on one set of sessions.

    Args:
        answering: Answers a frame as `POST /predict` would.
        ice_servers: That help publishers behind NATs.
        sources: That may be read; None for none.
    """

    def __init__(
        self, answering: Answering, ice_servers: IceServers | None = None, sources: Sources | None = None
    ) -> None:
        self.sessions = Sessions(answering)
        self.videos = Videos(self.sessions)
        self._whip = Whip(self.videos, ice_servers or IceServers())
        self._pulling = Pulling(self.videos, sources or Sources())

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """For the application."""
        return [*self._whip.routes, *self._pulling.routes, *watching_routes(self.sessions, self.videos)]

    async def close(self) -> None:
        """End what is open, when the instance ends."""
        self._pulling.close()
        await self._whip.close()
