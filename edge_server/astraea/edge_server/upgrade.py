"""Another version of the service in the place of the one that answers: same process, same port, no request lost.

Beside the old one, which goes on until the new one is warm; or, where memory holds only one (`swap`), after it: then
requests are refused with 503 in between, and devices answer their frames themselves.
"""

import asyncio
import gc
import logging
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from astraea.protocol import AstraeaError, ServiceSpec, load_service_spec

from .api import Api
from .errors import UpgradeError
from .handler import forget_modules
from .pool import WorkerPool
from .revisions import next_revision
from .service import Service, open_service

_logger = logging.getLogger(__name__)

_DRAIN_S = 20.0  # for requests under way when the old one must go first


class _Build(NamedTuple):
    """What was loaded, and may have to be again."""

    folder: Path
    spec: ServiceSpec
    revision: str


class Upgrader:
    """Loads what is in the service's folder, and has it answer in the place of what did.

    Args:
        api: Whose service is replaced.
        folder: The service's; if it is a link, it may lead elsewhere each time.
        spec: The template that the instance was started with: its name stays.
        swap: Whether the old one goes before the new one is loaded.
    """

    def __init__(self, api: Api, folder: Path, spec: ServiceSpec, *, swap: bool = False) -> None:
        self._api = api
        self._folder = folder
        self._swap = swap
        self._serving = _Build(folder.resolve(), spec, api.instance().revision)
        self._loads = 0
        self._first = True
        """Nothing was tried yet."""
        self._took_s = 1.0
        """The last load; what a client is told to wait in a gap."""
        self._loader = WorkerPool(1, 0)
        """A thread of its own: those that answer have other work."""
        self._turn = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether something is being loaded."""
        return self._loader.in_flight > 0

    async def load(self, revision: str | None = None) -> str:
        """Load what is there now; one load at a time.

        Args:
            revision: What to call it; the template's version without, and what tells it from the last one's if that is
                the same.

        Returns:
            Its revision.

        Raises:
            UpgradeError: Another service is there, or the old one wouldn't end.
            AstraeaError: It can't be loaded. The old one goes on; in a swap, if it was another folder's.
        """
        async with self._turn:
            try:
                build = await self._loader.run(lambda: self._look(revision))
                await (self._after(build) if self._swap and self._api.service else self._beside(build))
            except AstraeaError as error:
                self._tell_failure(error)
                raise
            finally:
                self._first = False
            if self._loads:
                self._api.metrics.upgraded(done=True)
                _logger.info("revision %s answers now", build.revision)
            self._loads += 1
            return build.revision

    async def on_request(self, asked: asyncio.Event) -> None:
        """Load whenever the event is set, for ever."""
        while True:
            await asked.wait()
            asked.clear()
            try:
                await self.load()
            except AstraeaError:
                pass  # it is logged
            except Exception:
                _logger.exception("the upgrade failed")

    def close(self) -> None:
        """Let the thread end after what it is doing."""
        self._loader.close()

    def _tell_failure(self, error: AstraeaError) -> None:
        if self._first:  # whoever wants it is told by the exception
            return
        revision = self._serving.revision if self._api.service else "none"
        _logger.error("the upgrade failed, and revision %s answers: %s", revision, error)
        self._api.metrics.upgraded(done=False)

    def _look(self, revision: str | None) -> _Build:
        folder = self._folder.resolve()
        spec = load_service_spec(folder)
        if spec.name != self._serving.spec.name:
            raise UpgradeError(
                f"{folder} has the service {spec.name!r} now; this instance is one of {self._serving.spec.name!r}",
                hint="another service needs a server of its own: `astraea serve`",
            )
        if revision is None:
            before = self._serving
            revision = next_revision(spec.version, before.spec.version, self._loads) if self._loads else before.revision
        return _Build(folder, spec, revision)

    async def _beside(self, build: _Build) -> None:
        before = self._serving
        self._api.serve(await self._open(build))
        self._serving = build
        if before.folder != build.folder:
            forget_modules(before.folder)
        await self._collect()

    async def _after(self, build: _Build) -> None:
        """Let those under way end, release what answered them, and only then load."""
        before, old = self._serving, self._api.service
        self._api.withdraw("the model is being replaced", self._took_s)
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._api.idle.wait()
        except TimeoutError:
            assert old is not None  # noqa: S101 - else there is nothing to swap
            self._api.serve(old)
            raise UpgradeError(f"requests that were under way didn't end within {_DRAIN_S:.0f} s") from None
        del old
        forget_modules(before.folder)
        await self._collect()
        try:
            await self._beside(build)
        except AstraeaError:
            if before.folder != build.folder:
                await self._beside(before)
            else:
                self._api.withdraw("the new version of the model does not load", self._took_s)
            raise

    async def _open(self, build: _Build) -> Service:
        def work() -> Service:
            service = open_service(build.folder, build.spec, self._api.limits, build.revision)
            service.warm_up()
            return service

        began_s = perf_counter()
        service = await self._loader.run(work)
        self._took_s = perf_counter() - began_s
        return service

    async def _collect(self) -> None:
        """Give memory back now: a module and its functions refer to each other."""
        await self._loader.run(gc.collect)
