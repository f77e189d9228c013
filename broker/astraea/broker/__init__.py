"""The list of live instances, and which of them a device should use.

`Broker` holds the leases (`Registry`), keeps them over a restart (`Store`) and ranks them (`rank`); `create_app` puts
its HTTP API in front.
"""

from .api import ServiceSummary, create_app
from .core import Broker
from .errors import BrokerError, ListenError, StoreError, UnknownServiceError
from .registry import Registry
from .selection import distance_km, expected_rtt_ms, rank
from .store import Store

__all__ = [
    "Broker",
    "BrokerError",
    "ListenError",
    "Registry",
    "ServiceSummary",
    "Store",
    "StoreError",
    "UnknownServiceError",
    "create_app",
    "distance_km",
    "expected_rtt_ms",
    "rank",
]
