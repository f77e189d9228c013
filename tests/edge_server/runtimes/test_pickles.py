"""Pickles that would call other code than their framework's are refused, and nothing of them is called."""

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from astraea.edge_server import ModelLoadError, open_model


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _attacks(target: Path) -> dict[str, bytes]:
    """Pickles that make a file when they are loaded, each by another way."""
    touch = f"__import__('pathlib').Path({str(target)!r}).touch()"
    argument = b"(V%s\ntR." % touch.encode()
    script = b"(V%s\ntR." % f"touch {target}".encode()
    return {
        "a function": pickle.dumps(Calls(os.system, f"touch {target}")),
        "eval": pickle.dumps(Calls(eval, touch)),
        "an old protocol": b"cposix\nsystem\n" + script,
        "a dotted name": b"\x80\x04\x8c\x07sklearn\x8c\x09os.system\x93" + script,
        "a dotted class": b"\x80\x04\x8c\x0dsklearn.utils\x8c\x0c_bunch.Bunch\x93(tR.",
        "what a module imports": b"csklearn.utils.fixes\nsys\n.",
        "a function of the package": b"csklearn.utils._testing\nset_random_state\n" + argument,
        "a function of numpy": b"cnumpy.testing._private.utils\nrunstring\n(V%s\n}tR." % touch.encode(),
        "a class that writes": b"cnumpy\nmemmap\n(V%s\nVuint8\nVw+\nI0\n(I9\nttR." % str(target).encode(),
        "an instance": b"(V%s\niposix\nsystem\n." % f"touch {target}".encode(),
        "a module that acts when imported": b"cnumpy.f2py.__main__\nmain\n.",
        "joblib": b"cjoblib.numpy_pickle\nload\n" + argument,
    }


ATTACKS = sorted(_attacks(Path()))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pickle_that_names_other_code_is_refused_uncalled(tmp_path: Path, attack: str) -> None:
    path, target = tmp_path / "model.pkl", tmp_path / "touched"
    pickled = _attacks(target)[attack]
    path.write_bytes(pickled if pickled[0] == 0x80 else b"\x80\x02" + pickled)
    with pytest.raises(ModelLoadError, match=r"the pickle .* names .*; nothing of it was called") as caught:
        open_model(path)
    assert "joblib.load(model)" in str(caught.value.hint)
    assert not target.exists()
    assert "numpy.f2py.__main__" not in sys.modules


def test_a_pickle_of_what_other_versions_had_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02csklearn.linear_model.logistic\nLogisticRegression\n)\x81.")
    with pytest.raises(
        ModelLoadError, match=r"names sklearn\.linear_model\.logistic\.\w+, which isn't in the versions"
    ):
        open_model(path)


def test_a_call_inside_joblibs_arrays_of_objects_is_refused_uncalled(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    evil = np.array([Calls(os.system, f"touch {target}")], object)
    joblib.dump({"classes_": evil}, tmp_path / "model")
    with pytest.raises(ModelLoadError, match=r"names (posix|nt)\.system"):
        open_model(tmp_path / "model")
    assert not target.exists()
