"""Events, in memory and as they are streamed."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from contextlib import aclosing

import httpx

from astraea.broker.events import Events
from astraea.protocol import Instance

MakeInstance = Callable[..., Instance]


async def test_a_watcher_gets_what_it_missed_and_then_what_comes() -> None:
    events = Events()
    for name in "abc":
        events.tell("instance-registered", name)
    async with aclosing(events.watch(after=1)) as watching:
        got = [await anext(watching) for _ in range(2)]
        upcoming = asyncio.ensure_future(anext(watching))
        events.tell("instance-gone", "d")
        got.append(await upcoming)
    assert [(event.number, event.subject) for event in got] == [(2, "b"), (3, "c"), (4, "d")]
    assert events._watchers == set()


async def test_a_watcher_that_falls_behind_misses_the_oldest_and_costs_no_memory() -> None:
    events = Events()
    async with aclosing(events.watch(after=0)) as watching:
        events.tell("instance-gone", "first")
        assert (await anext(watching)).subject == "first"
        for number in range(3000):
            events.tell("instance-gone", str(number))
        assert (await anext(watching)).subject == "2000"
    assert len(events.last()) == 500


def test_events_are_streamed_as_they_happen(api: httpx.Client, make_instance: MakeInstance) -> None:
    def put(name: str) -> None:
        instance = make_instance(name, service="streamed")
        api.put(f"/v1/instances/{name}", json=instance.model_dump(mode="json")).raise_for_status()

    put("before")
    with api.stream("GET", "/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        _find(lines, "before")
        put("after")
        event = _find(lines, "after")
    assert (event["kind"], event["detail"]) == ("instance-registered", "streamed 1.0.0-abc")
    api.delete("/v1/instances/after")
    with api.stream("GET", "/v1/events", headers={"last-event-id": str(event["number"])}) as stream:
        assert _find(stream.iter_lines(), "")["kind"] == "instance-gone"
    for name in ("before", "after"):
        api.delete(f"/v1/instances/{name}")


def _find(lines: object, subject: str) -> dict[str, str]:
    for line in lines:  # type: ignore[attr-defined] # an iterator of httpx's
        if line.startswith("data: ") and subject in (event := json.loads(line[6:]))["subject"]:
            return dict(event)
    raise AssertionError(subject)


def test_a_stream_of_events_does_not_keep_the_broker_from_ending(
    start_broker: Callable[..., tuple[subprocess.Popen[str], httpx.Client]],
) -> None:
    process, client = start_broker()
    with client.stream("GET", "/v1/events"):
        process.terminate()
        assert process.wait(15) == 0
