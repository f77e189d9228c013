"""How the deployer's verbs show what they did, and what there is."""

from collections.abc import Iterable, Sequence

from rich.markup import escape
from rich.table import Table

from astraea.protocol.answers import Answers

from .deployment import Deployment
from .engines import InstanceStatus
from .history import Record
from .inspection.folder import ServiceView
from .nodes import Node, NodePrice
from .packaging.stages import Stage
from .placement import Verdict
from .rollout.canary import Judgement
from .rollout.judging import quantile_s
from .startup import Progress
from .status import InstanceView

_STEP_STYLES = {"starting": "dim", "loading": "yellow", "ready": "cyan", "serving": "green"}


def build_table(stages: Iterable[Stage]) -> Table:
    """What a build made in each stage, and how long it took."""
    table = _table("stage", "packed>", "unpacked>", "", "took>")
    for stage in stages:
        layer = stage.layer
        sizes = (
            ("", "", "")
            if layer is None
            else (
                _size(layer.descriptor.size),
                _size(layer.unpacked_bytes),
                "written" if layer.written else "unchanged",
            )
        )
        table.add_row(stage.name, *sizes, f"{stage.duration_s * 1000:.0f} ms")
    return table


def service_table(view: ServiceView) -> Table:
    """What a service's folder holds."""
    table = _table("", "")
    spec, model = view.service, view.model
    table.add_row("service", f"{spec.name} {spec.version}")
    if model is None:
        table.add_row("model", spec.model or "none")
    else:
        wrote = f", written by {model.framework_version}" if model.framework_version else ""
        table.add_row("model", f"{spec.model}: {model.format}, {_size(model.size_bytes)}{wrote}")
        for kind, tensors in (("input", model.inputs), ("output", model.outputs)):
            for tensor in tensors:
                sides = " x ".join("?" if side is None else str(side) for side in tensor.shape)
                table.add_row(kind, f"{tensor.name}: {tensor.datatype} {sides}")
        if model.pickled_names:
            table.add_row("pickle", f"{len(model.pickled_names)} names, all of data")
    table.add_row("handler", spec.handler or f"none{_answers(view)}")
    table.add_row("packages", escape(", ".join(view.requirements)))
    return table


def _answers(view: ServiceView) -> str:
    """What goes in and out without a handler; all models of the zoo are detectors."""
    return f": {view.model.answers if view.model is not None else Answers.DETECTIONS}" if view.service.model else ""


def progress_table(progress: Iterable[Progress]) -> Table:
    """How far the instances of a deployment have come."""
    table = _table("node", "instance", "")
    for instance, step in progress:
        table.add_row(instance.plan.node.name, instance.id, f"[{_STEP_STYLES[step]}]{step}[/]")
    return table


def judgement_table(judgement: Judgement) -> Table:
    """How a canary does beside the stable revision."""
    title = f"{judgement.percent:g} % of devices, {judgement.left_s:.0f} s left"
    table = _table(title, "requests>", "failed>", "p95>", "disagrees>")
    copies = judgement.stable.copies
    disagrees = f"{copies.disagreement / copies.compared:.0%} of {copies.compared} copies" if copies.compared else ""
    for name, sample, compared in (
        ("new revision", judgement.canary, disagrees),
        ("stable", judgement.stable, ""),
    ):
        slow_s = quantile_s(sample.within, 0.95)
        slow = "" if slow_s is None else f"{slow_s * 1e3:.0f} ms"
        table.add_row(name, str(sample.requests), str(sample.errors), slow, compared)
    return table


def verdict_table(verdicts: Iterable[Verdict]) -> Table:
    """Where a service would run, and why."""
    table = _table("node", "region", "chosen", "because")
    for node, chosen, reason in verdicts:
        table.add_row(node.name, node.region or "", _mark(chosen), reason)
    return table


def deployment_table(deployment: Deployment) -> Table:
    """What serves after a deployment, and what it stopped."""
    table = _table("node", "region", "url", "instance", "")
    for instance in deployment.instances:
        table.add_row(*_where(instance), "started" if instance.id in deployment.started else "unchanged")
    for instance in deployment.stopped:
        table.add_row(*_where(instance), "stopped", style="dim")
    return table


def _where(instance: InstanceStatus) -> tuple[str, str, str, str]:
    node = instance.plan.node
    return node.name, node.region or "", instance.url or "", instance.id


def history_table(records: Iterable[Record]) -> Table:
    """What was deployed, and when."""
    table = _table("at", "revision", "engine", "nodes", "image")
    for record in records:
        at = record.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(at, record.revision, record.engine, ", ".join(record.nodes), record.image)
    return table


def status_table(instances: Iterable[InstanceView]) -> Table:
    """The instances and their health."""
    table = _table(
        "service",
        "revision",
        "devices>",
        "node",
        "region",
        "state",
        "ready",
        "broker",
        "requests/s>",
        "failed/s>",
        "restarts>",
        "url",
    )
    for instance in instances:
        table.add_row(
            instance.service,
            instance.revision,
            "" if instance.share_percent is None else f"{instance.share_percent:g} %",
            instance.node,
            instance.region or "",
            f"[{'green' if instance.state == 'running' else 'yellow'}]{instance.state}[/]",
            _mark(instance.ready),
            _mark(instance.offered),
            *("" if rate is None else f"{rate:.1f}" for rate in (instance.requests_per_s, instance.failures_per_s)),
            str(instance.restarts),
            instance.url or "",
        )
    return table


def node_table(nodes: Sequence[Node], running: Sequence[InstanceStatus]) -> Table:
    """The nodes, what they have and cost, and how many instances each runs."""
    table = _table(
        "node", "region", "latitude>", "longitude>", "host", "cores>", "memory>", "GPUs>", "prices", "instances>", ""
    )
    for node in nodes:
        place = ("", "") if node.location is None else (f"{node.location.lat:g}", f"{node.location.lon:g}")
        count = sum(instance.plan.node.name == node.name for instance in running)
        drained = "[yellow]drained[/]" if node.drained else ""
        table.add_row(node.name, node.region or "", *place, node.host, *_capacity(node), str(count), drained)
    return table


def _capacity(node: Node) -> tuple[str, str, str, str]:
    has, price = node.capacity, node.price
    prices = f"{price.per_cpu_hour:g}/core h, {price.per_gb:g}/GB" if price != NodePrice() else ""
    cores = "" if has.cpu is None else f"{has.cpu:g}"
    return cores, "" if has.memory is None else _size(has.memory), str(has.gpu or ""), prices


def _table(*headers: str) -> Table:
    """A plain table; a header that ends with `>` has its column aligned right."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header.removesuffix(">"), justify="right" if header.endswith(">") else "left", overflow="fold")
    return table


def _mark(yes: bool) -> str:
    return "[green]yes[/]" if yes else "[red]no[/]"


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} GB"
