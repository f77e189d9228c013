"""How an instance is told what it is, whatever it runs as: the options of `astraea serve`."""

from astraea.protocol.broker_api import calls
from astraea.protocol.serving.listening import is_loopback

from . import InstancePlan


def serve_options(plan: InstancePlan, port: int, *, listen: str | None = None) -> list[str]:
    """What follows the service's folder on the command line.

    Beyond loopback, callers must bring a token of the broker's, unless the node is insecure.

    Args:
        plan: of the instance.
        port: to listen on.
        listen: the address to listen on, where it isn't the one that devices reach the node at.
    """
    node, host = plan.node, listen or plan.node.host
    asks = not (node.insecure or is_loopback(host))
    options: dict[str, object] = {
        "host": host,
        "port": port,
        "advertise": instance_url(plan, port),
        "broker": plan.broker,
        "jwks": plan.broker + calls.signing_keys().path if asks else None,
        "node": node.name,
        "region": node.region,
        "lat": node.location and node.location.lat,
        "lon": node.location and node.location.lon,
        "price-per-hour": plan.price.per_hour or None,
        "price-per-gb": plan.price.per_gb or None,
        "revision": plan.revision,
        "instance": plan.id,
    }
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return [*given, "--insecure"] if node.insecure else given


def instance_url(plan: InstancePlan, port: int) -> str:
    """Where devices reach the instance."""
    return f"http://{plan.node.host}:{port}"
