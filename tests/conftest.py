"""What tests of every part may need."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from netlab import unavailable

settings.register_profile("astraea", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("astraea")

_REQUIRED = frozenset(filter(None, os.environ.get("ASTRAEA_TEST_REQUIRE", "").split(",")))


def need(part: str, present: bool, reason: str) -> None:
    """Skip a test that needs a real part which is not there, or fail it when `ASTRAEA_TEST_REQUIRE` names the part."""
    if present:
        return
    if part in _REQUIRED:
        pytest.fail(f"{reason} (ASTRAEA_TEST_REQUIRE names {part!r})")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of photos, weights and traces that lies beside the project in its CI, not in the project."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    need("shared", path.is_dir(), f"the test data are not in {path}")
    return path


@pytest.fixture(scope="session")
def netns() -> None:
    """For tests that build networks of namespaces and links (see `netlab`)."""
    reason = unavailable()
    need("netns", not reason, reason)
