"""Which instances can answer for this device: told by a broker, or by the app. `broker` needs HTTP, so it is apart."""

from .roster import Roster
from .source import CandidateSource, FixedCandidates, Measured, Offer, RemoteTarget

__all__ = ["CandidateSource", "FixedCandidates", "Measured", "Offer", "RemoteTarget", "Roster"]
