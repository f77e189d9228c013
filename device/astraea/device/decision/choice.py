"""Which of the options serves an aim best: pure comparisons."""

from collections.abc import Mapping, Sequence
from math import hypot

from .estimates import Estimate
from .options import Option

_HYSTERESIS_SIGMAS = 1.0
"""How many standard deviations of their difference another target must be better by, to be worth a switch."""
_GAIN_TO_BEGIN, _GAIN_TO_STAY = 0.2, 0.1
"""A video takes either side about twice the CPU time, so it must save so much of the time that a picture takes."""
SURE = 0.95
"""A deadline is taken as met when it is met this often, as service levels are commonly written."""
_MISS = 3.0
"""What a missed deadline takes away, in answers of the best accuracy: one miss more in a hundred is worth avoiding for
three points of accuracy, for a late answer is no answer and moreover a surprise."""


def choose(estimates: Mapping[str, Estimate], current: str | None) -> str:
    """The target with the lowest expected time, or `current` where the difference is within the uncertainty.

    Args:
        estimates: at least one target.
        current: the target in use; it need not be among the estimates.
    """
    best = min(estimates, key=lambda target: estimates[target].ms)
    if current is None or current not in estimates:
        return best
    gain_ms = estimates[current].ms - estimates[best].ms
    doubt_ms = hypot(estimates[current].spread_ms, estimates[best].spread_ms)
    return best if gain_ms > _HYSTERESIS_SIGMAS * doubt_ms else current


def choose_way(pictures: Option | None, video: Option | None, *, is_video: bool) -> Option | None:
    """A video where it saves enough time, else pictures.

    The two share a link, so what is uncertain of it is so of both; and the one that is tried is soon known, at no more
    cost than a keyframe.

    Args:
        pictures: frame by frame; None where there is no such way.
        video: as one of a video, likewise.
        is_video: whether the last frame to it went so.
    """
    if pictures is None or video is None:
        return pictures or video
    gain = _GAIN_TO_STAY if is_video else _GAIN_TO_BEGIN
    return video if video.ms < (1 - gain) * pictures.ms else pictures


def most_accurate(options: Sequence[Option], deadline_ms: float, rescued: float, loss: float) -> Option:
    """The option that promises the most within the deadline; the soonest of those that come near it.

    Args:
        options: at least one.
        deadline_ms: when the answer must have come.
        rescued: the accuracy of the device's answer when it begins on a frame that a remote target has not answered;
            0 where it can't in time.
        loss: a difference in accuracy that is none.

    Returns:
        Where nothing will be in time, what is the least unlikely to be.
    """
    full = max(option.accuracy for option in options)
    chances = [option.in_time(deadline_ms) for option in options]
    kept = _MISS * full
    rescue = rescued + kept if rescued else 0.0
    worth = [
        chance * (option.accuracy + kept) + ((1 - chance) * rescue if option.rung else 0.0)
        for option, chance in zip(options, chances, strict=True)
    ]
    best = max(worth)
    if best <= loss:
        return max(zip(options, chances, strict=True), key=lambda pair: (pair[1], -pair[0].ms))[0]
    near = [option for option, value in zip(options, worth, strict=True) if value >= best - loss]
    return min(near, key=lambda option: option.ms)


def cheapest(options: Sequence[Option], deadline_ms: float, rescued: bool) -> Option | None:
    """The option that spends the least of those that are sure to be in time; the soonest of equals.

    Args:
        options: at least one.
        deadline_ms: when the answer must have come.
        rescued: whether the device would answer in time where a remote target has not.

    Returns:
        None where no option is sure.
    """
    sure = [option for option in options if rescued or option.in_time(deadline_ms) >= SURE]
    return min(sure, key=lambda option: (option.spent, option.ms), default=None)
