"""The template and the handler of docs/packaging.md are ones that a server takes."""

import re
from pathlib import Path

import skops.io
from sklearn.ensemble import RandomForestClassifier

from astraea.edge_server import Limits, open_service
from astraea.protocol import load_service_spec

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "packaging.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_forest_of_the_page_is_served_with_its_template_and_handler(tmp_path: Path) -> None:
    [template], [handler] = fenced("yaml"), fenced("python")
    (tmp_path / "astraea.yaml").write_text(template.replace("zoo:plates", "forest.skops"), encoding="utf-8")
    (tmp_path / "handler.py").write_text(handler, encoding="utf-8")
    skops.io.dump(
        RandomForestClassifier(5, random_state=0).fit([[0.0], [1.0]] * 9, [0, 1] * 9), tmp_path / "forest.skops"
    )
    service = open_service(tmp_path, load_service_spec(tmp_path), Limits(workers=1, queue=1))
    assert service.answer(b"[[0.0], [1.0]]").body == b'{"output":[0,1]}'
