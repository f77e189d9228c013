"""Measured networks replayed in virtual time: how good are the client's decisions, and what would others have made?

The client's own `Policy` decides on a camera's frames over a link that follows a trace, and so do those whom it is
compared with; nothing waits and nothing is sent. In the open loop each frame is judged on its own, as if the device
and the link were there for it alone; in the closed loop one frame is answered at a time, transfers queue on the
uplink and inferences on the device.
"""

from .figures import as_document, figures, loop_figures, mean_ms, objective_figures, regret_pct
from .players import ADAPTIVE, EDGE, ORACLE, Player
from .replay import Answered, Session, simulate
from .trace import FORMAT_HINT, Trace, read_trace
from .world import World

__all__ = [
    "ADAPTIVE",
    "EDGE",
    "FORMAT_HINT",
    "ORACLE",
    "Answered",
    "Player",
    "Session",
    "Trace",
    "World",
    "as_document",
    "figures",
    "loop_figures",
    "mean_ms",
    "objective_figures",
    "read_trace",
    "regret_pct",
    "simulate",
]
