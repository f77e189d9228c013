"""The documentation is a site whose links all lead somewhere, and which fetches nothing from elsewhere."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import need

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("docs", find_spec("mkdocs") is not None, "mkdocs is not installed: pip install 'astraea[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert len(pages) >= 20
    elements = re.compile(
        r"<(?:script|img|iframe|source)[^>]* src=\"(?:https?:)?//|<link[^>]*rel=\"(?:style|pre)[^>]*//"
    )
    assert [path.name for path, text in pages.items() if elements.search(text)] == []
    styles = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    imports = re.compile(r"url\([\"']?(?:https?:)?//|@import")
    assert [path.name for path, text in styles.items() if imports.search(text)] == []


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("device", "astraea.device.OffloadClient"),
        ("edge-server", "astraea.edge_server.open_service"),
        ("models", "astraea.models.PlateRecognizer"),
        ("protocol", "astraea.protocol.Detection"),
    ],
)
def test_the_reference_has_what_a_part_exports(site: Path, page: str, name: str) -> None:
    assert f'id="{name}"' in (site / "reference" / page / "index.html").read_text(encoding="utf-8")
