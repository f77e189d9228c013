"""A connection is silent when nothing moves on it though something should."""

from astraea.device.transports.silence import Silence


def test_silence_lasts_from_when_something_last_moved() -> None:
    silence = Silence(0.0)
    assert silence.look(1.0, due=True, heard_bytes=10, unacknowledged_bytes=500) == 0
    assert silence.look(1.5, due=True, heard_bytes=10, unacknowledged_bytes=500) == 0.5
    assert silence.look(2.0, due=True, heard_bytes=11, unacknowledged_bytes=500) == 0
    assert silence.look(3.0, due=True, heard_bytes=11, unacknowledged_bytes=500) == 1


def test_an_upload_that_progresses_is_no_silence() -> None:
    silence = Silence(0.0)
    left = [silence.look(at, due=True, heard_bytes=0, unacknowledged_bytes=1000 - int(at)) for at in (1.0, 2.0, 3.0)]
    assert left[1:] == [0, 0]


def test_what_is_only_added_to_what_waits_is_silence() -> None:
    silence = Silence(0.0)
    for at in (1.0, 2.0):
        silent_s = silence.look(at, due=True, heard_bytes=0, unacknowledged_bytes=int(1000 * at))
    assert silent_s == 2


def test_nothing_is_due_so_nothing_is_late() -> None:
    silence = Silence(0.0)
    assert silence.look(60.0, due=False, heard_bytes=0, unacknowledged_bytes=0) == 0
    assert silence.look(60.5, due=True, heard_bytes=0, unacknowledged_bytes=0) == 0.5
