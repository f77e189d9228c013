"""Publishers over WebRTC that send no pictures cost what their reports cost: `pytest -s` prints how much.

Unlike an idle WebSocket, such a session isn't silent: its sender reports once a second (RTCP), and each side asks the
other every 5 s whether the way is still wanted (RFC 7675).
"""

import asyncio
import os
import time
from typing import Any

import httpx

from .conftest import StartServer, WriteService, settle
from .publisher import NUMBER_HANDLER, Publisher, Track

SESSIONS = 50
WATCHED_S = 4.0


class Paused(Track):
    """No pictures; its sender still reports that there are none, and ICE asks whether the way is still there."""

    async def recv(self) -> Any:
        await asyncio.Event().wait()


async def test_fifty_paused_videos_take_little_time(start_server: StartServer, write_service: WriteService) -> None:
    server = start_server(write_service(NUMBER_HANDLER))
    with server.client() as ready:
        async with httpx.AsyncClient(base_url=ready.base_url, timeout=30) as client:

            async def figure(name: str) -> float:
                text = (await client.get("/metrics")).text
                return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))

            publishers = [Publisher(client, track=Paused(1, marked=False)) for _ in range(SESSIONS)]
            try:
                for publisher in publishers:
                    assert (await publisher.publish()).status_code == 201
                await settle(lambda: all(one.connection.connectionState == "connected" for one in publishers), 30)
                before_s, began_s = await figure("process_cpu_seconds_total"), time.monotonic()
                await asyncio.sleep(WATCHED_S)
                spent_s = await figure("process_cpu_seconds_total") - before_s
                share = spent_s / (time.monotonic() - began_s)
                print(f"{SESSIONS} paused videos: {share:.1%} of a core, {share / (os.cpu_count() or 1):.1%} of all")  # noqa: T201 - the figure
                assert await figure('astraea_streams{transport="webrtc"}') == SESSIONS
                assert share < 0.1  # something that polls would take more
            finally:
                await asyncio.gather(*(publisher.connection.close() for publisher in publishers))
