"""Handlers written with `async def`, called from a worker's thread like any other."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def blocking(function: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """A function that runs a coroutine function to its end.

    All of a handler's coroutines run in one event loop, so that they can share what is bound to one (an HTTP client,
    say); it isn't the server's, which a handler that computes for long must not hold up.
    """
    loop = _loop()

    async def run(arguments: tuple[Any, ...]) -> T:
        try:
            return await function(*arguments)
        except (SystemExit, KeyboardInterrupt) as error:  # these would end the loop, and with it every later call
            raise RuntimeError(f"raised {error!r}") from error

    @functools.wraps(function)
    def call(*arguments: Any) -> T:
        return asyncio.run_coroutine_threadsafe(run(arguments), loop).result()

    return call


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="async-handlers", daemon=True).start()
    return loop
