"""What can go wrong between a service's folder and its running instances.

AstraeaError
└── DeployerError
    ├── StarterError     `astraea init` would overwrite something, or has nothing to start from
    ├── InspectionError  a model can't be read
    │   └── UntrustedPickleError
    │                    loading a model would call what no model needs
    ├── BuildError       a service's folder can't be made into an image
    ├── ImageError       an image that is not there, or is not what its digest says
    ├── RegistryError    a registry does not answer, refuses, or lacks what is asked for
    ├── NodeError        an unknown, doubled or busy node, or a node list that doesn't read
    ├── PlacementError   no node suits a service
    ├── SettingsError    a service's environment or secrets can't be read
    ├── BrokerError      the broker doesn't answer, or answers nonsense
    ├── EngineError      an engine can't do what it is asked
    └── DeployError      what runs can't be changed as asked, instances did not come up
        ├── BusyError    another process is changing it
        └── RolloutAborted
                         a new revision did worse than the stable one, and was taken back

A wrong `astraea.yaml` stays the `ServiceSpecError` of `astraea.protocol`.
"""

from astraea.protocol import AstraeaError


class DeployerError(AstraeaError):
    """The base of everything that the deployer reports."""


class StarterError(DeployerError):
    """A new service can't be started where, or from what, was asked."""


class InspectionError(DeployerError):
    """A model's file can't be read for what it is."""


class UntrustedPickleError(InspectionError):
    """A model's pickle names what no model needs, which loading it would call."""


class BuildError(DeployerError):
    """A service's folder holds something that can't go into an image."""


class ImageError(DeployerError):
    """An image is not in the layout, or its content doesn't match its digest."""


class RegistryError(DeployerError):
    """A registry can't be reached, refuses, or has not what is asked for."""


class NodeError(DeployerError):
    """A node is unknown, exists already, is in use, or the list of nodes doesn't read."""


class PlacementError(DeployerError):
    """No node suits the service; the message says why for each."""


class SettingsError(DeployerError):
    """A file of environment variables or a secret can't be read, or is not what it was; no value is told."""


class BrokerError(DeployerError):
    """The broker can't be reached or doesn't answer as a broker does."""


class EngineError(DeployerError):
    """An engine can't start, stop or look after instances."""


class DeployError(DeployerError):
    """A deployment did not come about; what ran before still runs."""


class BusyError(DeployError):
    """Another process is changing what runs of the service."""


class RolloutAborted(DeployError):  # noqa: N818 - it says what has been done, rather than what went wrong
    """A new revision did worse than the stable one, or an operator took it back; devices are all with that again."""
