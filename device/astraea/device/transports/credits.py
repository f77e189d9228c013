"""Leave to send: what an edge server grants, and who waits for it."""

import asyncio

from ..errors import TransportError


class Credits:
    """Credits of one stream. Of those who wait for one, the last to come is served first: its frame is the newest."""

    def __init__(self) -> None:
        self._left = 0
        self._connection = 0
        """Counts connections: a credit is good on the one that it was given on."""
        self._waiting: list[asyncio.Future[int]] = []

    async def take(self) -> bool:
        """Use a credit, waiting until there is one; whether it was the last.

        Raises:
            TransportError: what `fail` was given.
        """
        while not self._left:
            turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                given_on = await turn
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                elif not turn.cancelled() and turn.exception() is None and turn.result() == self._connection:
                    self.add(1)  # it was given one just now
                raise
            if given_on == self._connection:
                return not self._left
        self._left -= 1
        return not self._left

    def add(self, count: int) -> None:
        """So many more may be sent."""
        while count and self._waiting:
            turn = self._waiting.pop()
            if not turn.done():  # cancelled, and about to take itself out
                turn.set_result(self._connection)
                count -= 1
        self._left += count

    def reset(self, count: int) -> None:
        """On another connection, so many may be sent."""
        self._left = 0
        self._connection += 1
        self.add(count)

    def fail(self, error: TransportError) -> None:
        """There will be no more on this connection: tell those who wait."""
        self._left = 0
        self._connection += 1
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_exception(error)
