"""Which instance suits a device. Pure: what is known of instances and what a device asks go in, a ranking comes out."""

from .geography import NEUTRAL_KM, distance_km, expected_rtt_ms
from .matchers import Matcher, installed_matchers
from .ranking import UNMEASURED_SERVICE_MS, rank
from .reports import Reports
from .shadowing import Shadows
from .sharing import abort, promote, side
from .waiting import expected_wait_ms

__all__ = [
    "NEUTRAL_KM",
    "UNMEASURED_SERVICE_MS",
    "Matcher",
    "Reports",
    "Shadows",
    "abort",
    "distance_km",
    "expected_rtt_ms",
    "expected_wait_ms",
    "installed_matchers",
    "promote",
    "rank",
    "side",
]
