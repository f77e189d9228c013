"""What can go wrong on a device that a user can put right.

AstraeaError
└── DeviceError
    ├── CameraError            a camera, video or folder that can't be opened, is not there, or delivers no picture
    ├── MissingExtraError      something that needs a package that isn't installed
    ├── BrokerError            the broker is away, or its answer makes no sense
    ├── ProfileError           a profile that can't be read, says what can't be, or can't be measured
    ├── SimulationError        a trace that can't be read or says what can't be
    └── TargetError            a target gave no usable answer
        ├── LocalModelError    the device's own model failed
        └── TransportError     a remote target did not answer
            ├── UnreachableError   no connection, or it broke off
            ├── LateError      nothing came back in time
            ├── RefusedError   the target said no: overloaded, draining, or the request is wrong
            │   └── NoStreamError  it has no streams, or a proxy before it lets none through
            └── CorruptError   something came back that is no answer of an Astraea service
"""

from astraea.protocol import AstraeaError


class DeviceError(AstraeaError):
    """Base of everything that the device part raises."""


class CameraError(DeviceError):
    """A source of frames can't be opened, is not there, or stopped delivering pictures."""


class MissingExtraError(DeviceError):
    """A package of an extra isn't installed; the hint has the command that installs it."""


class BrokerError(DeviceError):
    """The broker can't be reached, or answered what it should not."""


class ProfileError(DeviceError):
    """A profile can't be read, has a value that can't be, or can't be measured."""


class SimulationError(DeviceError):
    """A trace can't be read, or has a value that can't be."""


class TargetError(DeviceError):
    """A target gave no usable answer; `str(error)` becomes a result's `fallback` or `failure`."""


class LocalModelError(TargetError):
    """The device's own model raised something; the cause is chained."""


class TransportError(TargetError):
    """A remote target did not answer."""


class UnreachableError(TransportError):
    """The target can't be connected to, or the connection broke off."""


class LateError(TransportError):
    """The target did not answer in time."""


class RefusedError(TransportError):
    """The target answered with an HTTP error status."""


class NoStreamError(RefusedError):
    """The target, or a proxy before it, answers a WebSocket's handshake as if it had never heard of one."""


class CorruptError(TransportError):
    """The reply is not what an Astraea service sends."""
