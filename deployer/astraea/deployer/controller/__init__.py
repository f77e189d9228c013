"""Keeps services as they are to be, for as long as it runs: what `astraea controller` does.

It keeps no state of its own: what is to run is in the deployer's store, what runs the engines know. So it may be ended
and started again at any time, and a command that changes a service at that moment is left to itself.

autoscaling  how many instances a service needs: pure
measuring    how much its instances have to do
healing      what has to be started or ended, and which nodes are lost: pure
keeper       one service
loop         all services
"""

from .keeper import Keeper
from .loop import Controller

__all__ = ["Controller", "Keeper"]
