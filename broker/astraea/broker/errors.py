"""What can go wrong in the broker.

AstraeaError
└── BrokerError
    ├── EnrolmentError        a device's code is not good
    ├── MatcherError          an installed matcher can't be used
    ├── StoreError            the store can't be opened, read or written
    ├── UnknownKeyError       there is no key or device to revoke
    └── UnknownServiceError   nothing alive offers the service that was asked for
"""

from astraea.protocol import AstraeaError


class BrokerError(AstraeaError):
    """The base of everything the broker reports."""


class EnrolmentError(BrokerError):
    """The code that a device enrols with is wrong, used, or too old."""


class MatcherError(BrokerError):
    """A package that brings a matcher of its own for the selection can't be imported or called."""


class StoreError(BrokerError):
    """The store is unreadable, corrupt, someone else's, locked by another broker, away, or its disk is full."""


class UnknownKeyError(BrokerError):
    """There is no key or device of the id that was asked for."""


class UnknownServiceError(BrokerError):
    """No live instance offers the service."""
