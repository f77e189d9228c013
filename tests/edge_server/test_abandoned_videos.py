"""Publishers that die without a word leave nothing behind in a real server."""

import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np

from .conftest import StartServer, WriteService, encode, wait_until
from .publisher import NUMBER_HANDLER

ROUNDS, EACH = 2, 50

HANDLER = (
    NUMBER_HANDLER
    + """
import ctypes, gc
read = predict
def predict(model, image: Image):
    if image.shape[0] > 1:
        return read(model, image)
    gc.collect()  # what waits to be collected, or to be used again, is no leak
    ctypes.CDLL(None).malloc_trim(0)
"""
)

PUBLISHERS = """
import asyncio, sys
import httpx
from tests.edge_server.publisher import Publisher

async def main(url, count):
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        publishers = [Publisher(client, fps=2) for _ in range(count)]
        for publisher in publishers:
            assert (await publisher.publish()).status_code == 201
        while not all(publisher.results for publisher in publishers):
            await asyncio.sleep(0.05)
        print("all have results", flush=True)
        await asyncio.sleep(600)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def abandon(url: str, count: int) -> None:
    """Let so many publish from a process that is killed once all have results."""
    command = [sys.executable, "-c", PUBLISHERS, url, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == b"all have results\n"
        finally:
            process.kill()


def held(pid: int) -> tuple[int, int, float]:
    """File descriptors, threads, and MiB of memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(values["Threads"]), int(values["VmRSS"].split()[0]) / 1024


def settled(client: httpx.Client, pid: int) -> tuple[int, int, float]:
    """What a server holds once sockets are closed and memory is given back."""
    wait_until(lambda: held(pid)[0] < 40, 10)
    client.post("/predict", content=encode(np.zeros((1, 1, 3), np.uint8), ".png")).raise_for_status()
    return held(pid)


def streams(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("astraea_streams{"))


def test_a_hundred_that_are_dropped_leave_nothing(start_server: StartServer, write_service: WriteService) -> None:
    server = start_server(write_service(HANDLER))
    with server.client() as client:
        url, pid = str(client.base_url), server.process.pid
        abandon(url, EACH)  # libraries and their memory come with the first
        wait_until(lambda: streams(client) == 0, 40)
        before = settled(client, pid)
        for _ in range(ROUNDS):  # one after the other: more at once would need more memory, and rightly
            abandon(url, EACH)
            wait_until(lambda: streams(client) == 0, 40)
        after = settled(client, pid)
        assert after[0] <= before[0] + 2
        assert after[1] <= before[1] + 4  # the pool of threads that decode grows to its bound
        assert after[2] < before[2] + 25
        assert client.get("/readyz").status_code == 200
    assert server.stop() == 0
