"""What has been measured of a device, its frames and its remote targets, and what a frame would come to by that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import hypot

from ..encoding import Encoding, Size
from ..profile import Price, Profile, Rung
from .estimates import Estimate, Recent
from .ladder import Encoded, Ladder
from .link import Link
from .objective import Aim
from .options import Option
from .remote import Remote

LOCAL = "local"
"""The device itself, among the names of targets; every other one is a remote instance."""

_SURE_SIGMAS = 6.0
"""What is below a bound by so many standard deviations surely is, though spreads are themselves guesses."""
_SPARING = {"energy", "cost"}
_NOTHING = Estimate(0.0, 0.0)


class Knowledge:
    """Learns from every answer. `now` is seconds on any monotonic clock.

    Args:
        local: whether the device can answer by itself.
        profile: what was measured beforehand; it holds until frames tell better.
        aim: what options are to say of what they spend.
        accuracy_loss: how much less accurate than full quality an encoding may be to count as such.
    """

    def __init__(self, *, local: bool, profile: Profile, aim: Aim, accuracy_loss: float) -> None:
        self._profile = profile
        self._aim = aim
        self._local = Recent(Estimate(profile.local_ms, profile.local_ms)) if local else None
        self._ladder = Ladder(profile, accuracy_loss)
        self._remotes: dict[str, Remote] = {}

    def offer(self, targets: Iterable[str], prices: Mapping[str, Price] | None = None) -> None:
        """Say which remote targets there are now; what is known of those that stay is kept.

        Args:
            targets: their names.
            prices: what frames cost there, by name; for others what the profile says.
        """
        known = self._remotes
        self._remotes = {target: known.get(target) or Remote() for target in targets}
        for target, remote in self._remotes.items():
            remote.price = (prices or {}).get(target, self._profile.price)

    @property
    def has_remote(self) -> bool:
        """Whether a remote target could be chosen now."""
        return any(remote.usable for remote in self._remotes.values())

    def link(self, target: str) -> Link | None:
        """What is known of the way to a target, for display."""
        remote = self._remotes.get(target)
        return remote.link if remote else None

    def offer_video(self, target: str, *, ready: bool) -> None:
        """Say whether there is a connection for a video to a target now."""
        if remote := self._remotes.get(target):
            remote.video.ready = ready

    def encode_ms(self, encoding: Encoding) -> float:
        """What scaling and encoding a frame so is believed to take."""
        return self._ladder.encode_ms(encoding)

    def observe_local(self, ms: float) -> None:
        """The device answered a frame in `ms`."""
        if self._local is not None:
            self._local.observe(ms)

    def observe_encoding(self, size: Size, encoding: Encoding, size_bytes: int, ms: float) -> None:
        """A frame of that size was scaled and encoded for sending."""
        self._ladder.observe(encoding, size, size_bytes, ms)

    def observe_sent(self, target: str, *, size_bytes: int, now: float, encoding: Encoding | None = None) -> None:
        """A frame or probe goes out to a target; its answer or failure names this time as `sent_at`."""
        if remote := self._remotes.get(target):
            extra = remote.video.extra_ms.estimate if encoding and encoding.video else _NOTHING
            remote.outstanding.send(size_bytes, now, extra.ms + extra.spread_ms)

    def observe_answer(
        self,
        target: str,
        *,
        size_bytes: int,
        network_ms: float,
        server_ms: float,
        sent_at: float,
        now: float,
        encoding: Encoding | None = None,
    ) -> None:
        """A target answered a frame: `network_ms` is the exchange less the server's own `server_ms`."""
        if remote := self._remotes.get(target):
            rung = self._ladder.rung(encoding)
            links_ms: float | None = network_ms
            if encoding and encoding.video:
                links_ms = remote.video.served(
                    rung, server_ms=server_ms, network_ms=network_ms, size_bytes=size_bytes, link=remote.link, now=now
                )
            else:
                remote.served(rung, server_ms, now)
            remote.hear(size_bytes, links_ms, sent_at, now)

    def observe_probe(self, target: str, *, size_bytes: int, network_ms: float, sent_at: float, now: float) -> None:
        """A target answered a probe."""
        if remote := self._remotes.get(target):
            remote.hear(size_bytes, network_ms, sent_at, now)

    def observe_silence(self, target: str, *, sent_at: float) -> None:
        """A target has not answered, and is waited for no longer."""
        if remote := self._remotes.get(target):
            remote.outstanding.give_up(sent_at)

    def observe_failure(self, target: str, *, sent_at: float, now: float) -> None:
        """A target refused or broke off: it is away until a probe reaches it."""
        if remote := self._remotes.get(target):
            remote.fail(sent_at, now)

    def _options(
        self,
        rungs: Sequence[Rung],
        size: Size,
        now: float,
        *,
        local_queue: int = 0,
        enough_ms: float = 0.0,
        any_video: bool = False,
    ) -> list[Option]:
        """The ways to answer a frame of that size now.

        Args:
            rungs: what remote targets may get, the most accurate first.
            size: the frame's, before it is scaled.
            now: the time of the question.
            local_queue: frames that the device has begun on, or will before this one.
            enough_ms: when a rung surely takes no longer than this, those that follow it are left out.
            any_video: whether to count in videos that there is no connection for.
        """
        usable = {target: remote for target, remote in self._remotes.items() if remote.usable}
        if self._local is None:
            usable = usable or self._remotes
        frames = self._ladder.encoded(rungs, size)
        options: list[Option] = []
        for target, remote in usable.items():
            options += self._remote(target, remote, frames, now, enough_ms)
            if (any_video or remote.video.ready) and (self._ladder.video_held or self._aim == "accuracy"):
                options.append(self._as_video(target, remote, size, now))
        if self._local is not None:
            ms, spread_ms = self._local.estimate
            turns = 1 + local_queue
            spent = self._profile.power.local_j(ms) if self._aim == "energy" else 0.0
            options.append(Option(LOCAL, None, ms * turns, spread_ms * turns, 0.0, self._profile.local_accuracy, spent))
        return options

    def _remote(
        self, target: str, remote: Remote, frames: Sequence[Encoded], now: float, enough_ms: float
    ) -> Iterator[Option]:
        late_ms, (slowness, doubt) = remote.late_ms(now), remote.slowness
        enough_ms = enough_ms if late_ms == 0 else 0.0
        spares = self._aim in _SPARING
        ways = remote.link.expect_each([frame.size_bytes for frame in frames], now)
        for (rung, size_bytes, encode_ms, encode_spread_ms), (way_ms, way_spread_ms) in zip(frames, ways, strict=True):
            server_ms = rung.edge_ms * slowness
            ms = encode_ms + way_ms + server_ms
            spread_ms = hypot(encode_spread_ms, way_spread_ms, rung.edge_ms * doubt)
            spent = self._spent(remote, size_bytes, encode_ms, server_ms, ms) if spares else 0.0
            yield Option(target, rung, ms, spread_ms, late_ms, rung.accuracy, spent)
            if ms + _SURE_SIGMAS * spread_ms <= enough_ms:
                return

    def _as_video(self, target: str, remote: Remote, size: Size, now: float) -> Option:
        encoder = self._ladder.video
        size_bytes = round(encoder.share.median * self._ladder.frame_bytes(size))
        way = remote.link.expect(size_bytes, now)
        ms, spread_ms = remote.video.expect(encoder, way.ms, way.spread_ms)
        rung, spent = encoder.rung, 0.0
        if self._aim in _SPARING:
            encode_ms, server_ms = rung.encode_ms * encoder.slowness.median, rung.edge_ms * remote.video.slowness.median
            spent = self._spent(remote, size_bytes, encode_ms, server_ms, ms)
        return Option(target, rung, ms, spread_ms, remote.late_ms(now), rung.accuracy, spent)

    def _spent(self, remote: Remote, size_bytes: int, encode_ms: float, server_ms: float, total_ms: float) -> float:
        """What sending a frame takes of what the objective spares."""
        if self._aim == "cost":
            return remote.price.of(server_ms=server_ms, size_bytes=size_bytes)
        upload_ms = remote.link.upload_ms(size_bytes)
        return self._profile.power.remote_j(
            encode_ms=encode_ms, upload_ms=upload_ms, total_ms=total_ms, size_bytes=size_bytes
        )
