"""How many CPUs this process may really use: fewer than the machine has, in a container with a limit.

A thread pool sized for 64 cores in a container that may use 2 spends its time being throttled.
https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu and
https://docs.kernel.org/scheduler/sched-bwc.html (version 1).
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """CPUs that this process may use: its affinity, and the quota of its control groups rounded up; at least 1."""
    membership = _OWN_CGROUPS.read_text() if _OWN_CGROUPS.exists() else ""
    return min(len(os.sched_getaffinity(0)), quota_cpus(_CGROUPS, membership))


def quota_cpus(root: Path, membership: str) -> int:
    """The smallest CPU quota of the control groups around a process, in whole CPUs; a large number without one.

    Args:
        root: Where the control groups are mounted.
        membership: The text of `/proc/PID/cgroup`, lines of `hierarchy:controllers:path`.
    """
    quotas = (_quota(folder) for folder in _folders(root, membership))
    return min((max(1, math.ceil(quota)) for quota in quotas if quota is not None), default=2**31)


def _folders(root: Path, membership: str) -> Iterator[Path]:
    """The groups of the process and those above them; in a container its own is often mounted as the root."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):  # version 2 names no controllers
            base = root / "cpu" if controllers else root
            group = base / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(base))


def _quota(folder: Path) -> float | None:
    """CPUs that one control group may use, from version 2's or version 1's files."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such group here, or `max`: no limit
        return None
