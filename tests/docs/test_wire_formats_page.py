"""The documents shown in docs/wire-formats.md are ones that the shared types take."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from astraea.protocol import Candidates, Detections, Problem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "wire-formats.md"
DOCUMENTS = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("document", "model"),
    [*zip(DOCUMENTS, [Detections, Problem, Candidates], strict=True)],
    ids=lambda one: str(one)[:12],
)
def test_a_document_is_of_its_type(document: str, model: type[BaseModel]) -> None:
    model.model_validate_json(document)
