"""The cheapest set of nodes that reaches every place in time: a facility location problem, as an integer program. Pure.

Some nodes are opened, and each place with devices has its traffic answered by open ones within reach (M. S. Daskin,
"Network and Discrete Location", 2nd ed., 2013, chapter 7, with the reach of chapter 4's set covering).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Matrix = Sequence[Sequence[float]]
"""A row for each place, a column for each node."""


class Cover(NamedTuple):
    """The nodes to open."""

    opened: tuple[int, ...]
    """Columns, in order."""
    per_hour: float
    """What they cost, the traffic of all places included."""


def cheapest_cover(opening: Sequence[float], serving: Matrix, rtt_ms: Matrix, within_ms: float) -> Cover | None:
    """Choose the nodes that cost the least; of several such sets the smallest, and of those the nearest to the places.

    Args:
        opening: what each node costs an hour, however many places it answers.
        serving: what a place's traffic costs an hour at each node.
        rtt_ms: the round trip from each place to each node; infinite where it is unknown.
        within_ms: the longest that any place's may be.

    Returns:
        None if some place is out of reach of every node, or there are no nodes.
    """
    # SciPy takes half a second to import, which a deployment without a bound on latency need not wait for.
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415
    from scipy.sparse import csr_array  # noqa: PLC0415

    nodes = len(opening)
    reach = [(place, node) for place, row in enumerate(rtt_ms) for node in range(nodes) if row[node] <= within_ms]
    if nodes == 0 or len({place for place, _ in reach}) < len(rtt_ms):
        return None
    size = nodes + len(reach)  # variables: which nodes are open, then which pairs of place and node are used

    def rows(weights: Iterable[tuple[int, int, float]], count: int) -> Any:
        entries = tuple(weights)
        at = ([row for row, _, _ in entries], [column for _, column, _ in entries])
        return csr_array(([weight for _, _, weight in entries], at), shape=(count, size))

    pairs = range(nodes, size)
    one_open = rows(((0, node, 1) for node in range(nodes)), 1)
    answered = rows(((place, pair, 1) for pair, (place, _) in zip(pairs, reach, strict=True)), len(rtt_ms))
    by_open = rows(((pair - nodes, pair, 1) for pair in pairs), len(reach))
    by_open -= rows(((index, node, 1) for index, (_, node) in enumerate(reach)), len(reach))
    constraints = [
        LinearConstraint(one_open, 1, np.inf),
        *([LinearConstraint(answered, 1, 1), LinearConstraint(by_open, -np.inf, 0)] if reach else []),
    ]
    money = np.array([*opening, *(serving[place][node] for place, node in reach)])
    scale = max(float(money.max()), _SLACK)  # the solver's tolerances are absolute
    is_node = np.array([1] * nodes + [0] * len(reach))
    nearness = np.array([0] * nodes + [rtt_ms[place][node] / within_ms for place, node in reach])
    best = np.ones(size)
    for goal in (money / scale, is_node, nearness):
        # Which nodes are open settles who answers whom, so that only the former need be whole numbers.
        solved = milp(goal, integrality=is_node, bounds=Bounds(0, 1), constraints=constraints)
        if solved.x is None:  # the goals before, at their best, leave the solver's tolerances no room
            break
        best = solved.x
        constraints.append(LinearConstraint(goal, -np.inf, solved.fun + _SLACK))
    return Cover(tuple(node for node in range(nodes) if round(best[node])), float(money @ best))


_SLACK = 1e-4
"""What a goal may lose to those after it, of the largest price: well above the solver's own tolerance of 1e-6."""
