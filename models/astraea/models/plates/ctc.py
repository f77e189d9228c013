"""What a CTC reader's probabilities spell (Graves et al., 2006). Pure."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLANK = 0


class Reading(NamedTuple):
    """A text, and the probability of its least certain character: 0 to 1, 0 for an empty text."""

    text: str
    score: float


def greedy_decode(probabilities: NDArray[np.float32], characters: Sequence[str]) -> Reading:
    """Take the likeliest class of each step, make one of repeats, and drop the blanks.

    Args:
        probabilities: Steps x classes, each row a distribution; class 0 is the blank, class i is `characters[i - 1]`.
        characters: What the classes other than the blank stand for.
    """
    steps = zip(probabilities.argmax(axis=1).tolist(), probabilities.max(axis=1).tolist(), strict=True)
    spelt = [
        (characters[label - 1], max(probability for _, probability in run))
        for label, run in groupby(steps, key=lambda step: step[0])
        if label != BLANK
    ]
    return Reading("".join(character for character, _ in spelt), min((score for _, score in spelt), default=0.0))
