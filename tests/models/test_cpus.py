"""The CPUs of a container with a limit are fewer than the machine's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.models.cpus import available_cpus, quota_cpus

UNLIMITED = 2**31


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(("cpu_max", "cpus"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", UNLIMITED)])
def test_version_2_gives_its_quota_rounded_up(tmp_path: Path, cpu_max: str, cpus: int) -> None:
    write(tmp_path / "cpu.max", cpu_max)
    assert quota_cpus(tmp_path, "0::/") == cpus


def test_the_tightest_of_the_groups_around_a_process_counts(tmp_path: Path) -> None:
    write(tmp_path / "pod/cpu.max", "200000 100000")
    write(tmp_path / "pod/container/cpu.max", "400000 100000")
    assert quota_cpus(tmp_path, "0::/pod/container") == 2


@pytest.mark.parametrize(("quota", "cpus"), [("300000", 3), ("-1", UNLIMITED)])
def test_version_1_gives_its_quota(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path / "cpu/docker/abc/cpu.cfs_quota_us", quota)
    write(tmp_path / "cpu/docker/abc/cpu.cfs_period_us", "100000")
    assert quota_cpus(tmp_path, "5:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n") == cpus


def test_a_group_seen_from_within_its_container_is_the_root(tmp_path: Path) -> None:
    write(tmp_path / "cpu/cpu.cfs_quota_us", "100000")
    write(tmp_path / "cpu/cpu.cfs_period_us", "100000")
    assert quota_cpus(tmp_path, "3:cpu:/docker/abc") == 1


@given(st.text(max_size=30))
def test_whatever_a_quota_says_there_is_at_least_one_cpu(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.getbasetemp() / "cgroup"
    write(root / "cpu.max", text)
    assert quota_cpus(root, "0::/") >= 1


def test_this_machine_has_a_cpu() -> None:
    assert available_cpus() >= 1
