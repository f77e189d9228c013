"""The list of live instances, and which of them a device should use.

`Broker` holds the leases (`fleet`), keeps all it must remember (`store`) and ranks instances for devices (`selection`);
`create_app` puts its HTTP API in front.
"""

from .api import create_app
from .core import Broker
from .errors import BrokerError, MatcherError, StoreError, UnknownServiceError
from .fleet import Registry
from .selection import Matcher, distance_km, expected_rtt_ms, rank
from .store import PostgresStore, SqliteStore, Store, open_store

__all__ = [
    "Broker",
    "BrokerError",
    "Matcher",
    "MatcherError",
    "PostgresStore",
    "Registry",
    "SqliteStore",
    "Store",
    "StoreError",
    "UnknownServiceError",
    "create_app",
    "distance_km",
    "expected_rtt_ms",
    "open_store",
    "rank",
]
