"""What happened in a client, as a sentence for the page: decisions with their reasons."""

from ..decision import LOCAL
from ..events import BrokerBack, BrokerLost, CandidatesChanged, Event, TargetBack, TargetLost, TargetSwitched
from ..snapshot import Snapshot


def describe(event: Event, snapshot: Snapshot) -> str | None:
    """Say it; None for what is no news.

    Args:
        event: what happened.
        snapshot: what the client believes just after it.
    """
    text = None
    match event:
        case TargetSwitched():
            text = _switch(event, snapshot)
        case TargetLost():
            text = f"{event.target} is lost: {event.reason}"
        case TargetBack():
            text = f"{event.target} answers again"
        case CandidatesChanged():
            text = f"could answer: {', '.join(event.targets)}" if event.targets else "no edge server is known"
        case BrokerLost():
            text = f"the broker is lost, its last answer is used on: {event.reason}"
        case BrokerBack():
            text = "the broker answers again"
    return text


def _switch(event: TargetSwitched, snapshot: Snapshot) -> str:
    """What was chosen, and what each of the others would have taken."""
    others = [
        f"{_named(target.name)} would take {target.predicted_ms:.0f} ms"
        if target.usable and target.predicted_ms is not None
        else f"{_named(target.name)} is not usable"
        for target in snapshot.targets
        if target.name != event.after
    ]
    return "; ".join([f"now {_named(event.after)}, {event.predicted_ms:.0f} ms expected", *others])


def _named(target: str) -> str:
    return "the device" if target == LOCAL else target
