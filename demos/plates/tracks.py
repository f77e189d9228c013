"""From plates in single frames to cars: who is who from frame to frame, and which reading the frames agree on. Pure.

A plate goes to the car whose plate was last seen nearest, in plate widths, if both readings may be of one text. Each
reading votes for its text with its score, so that the clear frames outvote those in which a plate comes into view,
leaves it or is smeared.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import NamedTuple

from astraea.protocol import Box, Detection

_REACH_WIDTHS = 2.0
"""How far a plate may have moved since it was last seen. A car that passes close by at 50 km/h moves by half a width in
a tenth of a second, and answers may be a third of a second apart."""
_ALIKE = 0.6
"""How much of two readings must agree to be of one plate: half a plate at the edge of the picture still does."""
_LEAST_VOTES = 0.8
"""What a text needs in all: one good reading, or two poor ones."""
_LEAST_SEEN_UNREAD = 3
"""In how many frames a plate must have been seen that nobody could read; less than that is noise."""


class Sighting(NamedTuple):
    """A car that has passed."""

    plate: str | None
    """What most of the readings say; None where it could not be read."""
    agreement: float
    """The share of the votes that this text got, 0 to 1."""
    first_s: float
    """When it was first and last seen: the frames' `captured_at`."""
    last_s: float
    frames: int
    """In how many it was seen."""
    remote_frames: int
    """How many of those an edge or cloud server answered."""


@dataclass
class _Track:
    box: Box
    first_s: float
    last_s: float
    frames: int = 0
    remote_frames: int = 0
    votes: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str | None:
        return max(self.votes, key=lambda text: self.votes[text], default=None)

    def add(self, plate: Detection, at_s: float, *, remote: bool) -> None:
        self.box, self.last_s = plate.box, at_s
        self.frames += 1
        self.remote_frames += remote
        if plate.text:
            self.votes[plate.text] = self.votes.get(plate.text, 0.0) + (plate.text_score or 0.0)

    def sighting(self) -> Sighting | None:
        text, total = self.text, sum(self.votes.values())
        if text is None or self.votes[text] < _LEAST_VOTES:
            if self.frames < _LEAST_SEEN_UNREAD:
                return None
            text = None
        agreement = self.votes[text] / total if text else 0.0
        return Sighting(text, agreement, self.first_s, self.last_s, self.frames, self.remote_frames)


class Tracks:
    """Takes each frame's plates, in the order of the frames, and gives each car once, when it has passed.

    Args:
        patience_s: For how long a car may go unseen.
    """

    def __init__(self, *, patience_s: float = 1.0) -> None:
        self._patience_s = patience_s
        self._tracks: list[_Track] = []

    def see(self, plates: Sequence[Detection], at_s: float, *, remote: bool) -> list[Sighting]:
        """Take a frame's plates; the cars that have passed by then.

        Args:
            plates: What was found in it.
            at_s: The frame's `captured_at`.
            remote: Whether a server found them, not the device.
        """
        passed = [track for track in self._tracks if at_s - track.last_s > self._patience_s]
        self._tracks = [track for track in self._tracks if at_s - track.last_s <= self._patience_s]
        matched = dict(_match(plates, self._tracks))
        for number, plate in enumerate(plates):
            track = matched.get(number)
            if track is None:
                track = _Track(plate.box, at_s, at_s)
                self._tracks.append(track)
            track.add(plate, at_s, remote=remote)
        return _sightings(passed)

    def end(self) -> list[Sighting]:
        """The cars that were still in view when the frames ended."""
        passed, self._tracks = self._tracks, []
        return _sightings(passed)


def _sightings(tracks: Iterable[_Track]) -> list[Sighting]:
    return [sighting for track in tracks if (sighting := track.sighting())]


def _match(plates: Sequence[Detection], tracks: Sequence[_Track]) -> Iterator[tuple[int, _Track]]:
    """Pairs of a plate's number and its car, the nearest pair first, each plate and each car in one at most."""
    near = sorted(
        (distance, number, index)
        for number, plate in enumerate(plates)
        for index, track in enumerate(tracks)
        if (distance := _widths_apart(plate.box, track.box)) <= _REACH_WIDTHS and _may_be(plate.text, track.text)
    )
    free_plates, free_tracks = set(range(len(plates))), set(range(len(tracks)))
    for _, number, index in near:
        if number in free_plates and index in free_tracks:
            free_plates.remove(number)
            free_tracks.remove(index)
            yield number, tracks[index]


def _widths_apart(one: Box, other: Box) -> float:
    """The distance of two plates' centres, in widths of the wider one."""
    dx = (one.x1 + one.x2 - other.x1 - other.x2) / 2
    dy = (one.y1 + one.y2 - other.y1 - other.y2) / 2
    return float((dx * dx + dy * dy) ** 0.5 / max(one.x2 - one.x1, other.x2 - other.x1, 1.0))


def _may_be(one: str | None, other: str | None) -> bool:
    return not one or not other or SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE
