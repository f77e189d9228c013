"""Instances on a Kubernetes cluster, K3s and the like: each a Deployment of one pod, held to its node.

Astraea places and the broker balances, as on every engine, so a Deployment has one replica, and its pod is on the
node's own network: WebRTC takes ports that nobody knows beforehand. A Service is there for callers within the cluster.

manifests   what is applied, also for those who apply it themselves
cluster     the API server: applying, and what goes wrong there
pods        what pods tell of an instance
nodes       what nodes tell of themselves
engine      the engine
"""

from .engine import KubernetesEngine

__all__ = ["KubernetesEngine"]
