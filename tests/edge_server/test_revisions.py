"""Revisions are names that the broker takes, and tell what was loaded from what was before."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from astraea.edge_server.revisions import label, next_revision
from astraea.protocol.instance import Label

_LABEL = TypeAdapter(Label)
versions = st.from_regex(r"\A\d{1,3}\.\d{1,3}\.\d{1,3}(-[0-9A-Za-z.-]{1,12})?(\+[0-9A-Za-z.-]{1,12})?\Z")


@given(st.text())
def test_any_text_becomes_a_name(text: str) -> None:
    assert _LABEL.validate_python(label(text))


@given(st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?\Z"))
def test_a_name_stays_as_it_is(text: str) -> None:
    assert label(text) == text


@given(versions, versions, st.integers(1, 10**6))
def test_a_load_of_the_same_version_is_told_from_the_last(version: str, before: str, loads: int) -> None:
    revision = next_revision(version, before, loads)
    assert _LABEL.validate_python(revision) == revision
    assert (revision == label(version)) == (version != before)
    assert next_revision(version, version, loads) != next_revision(version, version, loads + 1)
