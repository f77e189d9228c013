"""Killed at random moments of many writes, a broker has kept all that it acknowledged."""

import multiprocessing
import os
import random
from contextlib import closing
from multiprocessing.reduction import DupFd

from astraea.broker import open_store
from astraea.broker.store import Key, Kind
from tests.broker.store_writer import write

_KILLS = 50
_WRITES = 10_000


def test_no_acknowledged_write_is_lost_and_the_store_opens_clean(store_address: str) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.broker.store_writer"])
    chance = random.Random(_KILLS)
    acknowledged: set[str] = set()
    open_store(store_address).close()
    for life in range(_KILLS):
        told, tell = os.pipe()
        writer = context.Process(target=write, args=(store_address, life, DupFd(tell)))
        writer.start()
        os.close(tell)
        with os.fdopen(told) as names:
            for _ in range(chance.randrange(1, 2 * _WRITES // _KILLS)):
                acknowledged.add(names.readline().strip())
            writer.kill()  # in the middle of what comes next
            acknowledged.update(line.strip() for line in names if line.endswith("\n"))
        writer.join()
        writer.close()
        with closing(open_store(store_address)) as store:
            assert {Key(Kind.NODE, name) for name in acknowledged} <= set(store.load())
    assert len(acknowledged) > _WRITES / 2
