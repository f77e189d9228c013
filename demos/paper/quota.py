"""A share of the CPU that a process and its threads may not exceed: a control group, version 1 or 2.

https://docs.kernel.org/scheduler/sched-bwc.html and https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu. Making one
needs root, and the `cpu` controller, which a container rarely has.
"""

from contextlib import suppress
from math import ceil
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

_CGROUPS = Path("/sys/fs/cgroup")
_LEAST_QUOTA_US = 1000
"""The kernel's."""
_LONGEST_PERIOD_US = 1_000_000
"""The kernel's as well: there is no share below a thousandth."""
_PERIOD_US = 20_000
"""A small part of what a frame takes, so that a short task is not held up for long; the kernel's default is 100 ms."""


class Quota:
    """Processes that are told to `hold` together get so many CPUs. A context manager; end them before it ends.

    Args:
        cpus: more than 0; 0.05 is a twentieth of one.
        root: where control groups are mounted.

    Raises:
        OSError: there can be none here.
    """

    def __init__(self, cpus: float, root: Path = _CGROUPS) -> None:
        period_us = min(max(_PERIOD_US, ceil(_LEAST_QUOTA_US / cpus)), _LONGEST_PERIOD_US)
        quota_us = max(_LEAST_QUOTA_US, round(period_us * cpus))
        self.cpus = quota_us / period_us
        """As the kernel was told."""
        version_1 = (root / "cpu").is_dir()
        if not version_1:
            (root / "cgroup.subtree_control").write_text("+cpu")
        self._group = Path(mkdtemp(prefix="astraea-quota-", dir=root / "cpu" if version_1 else root))
        try:
            if version_1:
                (self._group / "cpu.cfs_period_us").write_text(str(period_us))
                (self._group / "cpu.cfs_quota_us").write_text(str(quota_us))
            else:
                (self._group / "cpu.max").write_text(f"{quota_us} {period_us}")
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def hold(self, pid: int) -> None:
        """Have a process and all its threads share the quota from now on."""
        (self._group / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """Remove it. A process that is still in it goes back to where all were."""
        with suppress(OSError):
            for pid in (self._group / "cgroup.procs").read_text().split():
                (self._group.parent / "cgroup.procs").write_text(pid)
        with suppress(OSError):  # the kernel is not yet done with a process that has just ended
            self._group.rmdir()


def unavailable() -> str:
    """Why there can be no quota here; empty where there can be."""
    try:
        Quota(1.0).close()
    except OSError as error:
        return f"a control group cannot be made here: {error.strerror}"
    return ""
