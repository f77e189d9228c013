"""Estimators of scikit-learn, pickled by all the ways that are in use."""

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
import skops.io
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from astraea.edge_server import ModelLoadError, TensorSpec, open_model
from tests.edge_server.runtimes.conftest import rewrite, warnings_in


@pytest.fixture(scope="session")
def digits() -> tuple[Any, Any]:
    """Images of digits as rows of 64, and their names."""

    rows, numbers = load_digits(return_X_y=True)
    return rows[:400], np.array([f"the {number}" for number in numbers[:400]], object)


@pytest.fixture(scope="session")
def classifier(digits: tuple[Any, Any]) -> Any:

    return make_pipeline(StandardScaler(), SVC()).fit(*digits)


def dump(estimator: Any, path: Path, how: str) -> Path:
    if how == "pickle":
        path.write_bytes(pickle.dumps(estimator))
    elif how == "skops":
        skops.io.dump(estimator, path)
    else:
        joblib.dump(estimator, path, compress=(how, 3) if how != "joblib" else 0)
    return path


@pytest.mark.parametrize("how", ["pickle", "joblib", "zlib", "gzip", "bz2", "xz", "skops"])
def test_an_estimator_answers_as_it_did_before_it_was_saved(
    tmp_path: Path, digits: tuple[Any, Any], classifier: Any, how: str
) -> None:
    model = open_model(dump(classifier, tmp_path / "model", how))
    assert model.inputs == (TensorSpec("input", "FP64", (-1, 64)),)
    assert model.outputs == (TensorSpec("predict", "BYTES", (-1,)),)
    assert (model.run({"input": digits[0]})["predict"] == classifier.predict(digits[0])).all()
    assert type(model.native) is type(classifier)


ESTIMATORS = [
    HistGradientBoostingClassifier(max_iter=2),
    GradientBoostingClassifier(n_estimators=2, random_state=np.random.RandomState(0)),
    RandomForestClassifier(2),
    GaussianProcessClassifier(),
    KNeighborsClassifier(algorithm="kd_tree"),
    MLPClassifier(max_iter=1),
    make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=1)),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # one step of training is enough here
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_what_estimators_are_made_of_is_trusted(tmp_path: Path, digits: tuple[Any, Any], estimator: Any) -> None:
    rows, names = digits[0][:60], digits[1][:60]
    estimator.fit(rows, names)
    model = open_model(dump(estimator, tmp_path / "model", "joblib"))
    assert (model.run({"input": rows})["predict"] == estimator.predict(rows)).all()


def test_an_estimator_of_texts_takes_bytes(tmp_path: Path) -> None:

    estimator = make_pipeline(TfidfVectorizer(), RidgeClassifier()).fit(["good day", "bad day", "good"], [1, 0, 1])
    model = open_model(dump(estimator, tmp_path / "model", "pickle"))
    assert model.inputs == (TensorSpec("input", "BYTES", (-1,)),)
    assert model.run({"input": np.array([b"good", b"bad"], object)})["predict"].tolist() == [1, 0]


def test_what_skops_does_not_trust_is_named(tmp_path: Path, digits: tuple[Any, Any]) -> None:

    path = dump(DecisionTreeClassifier(max_depth=2).fit(*digits), tmp_path / "model", "skops")
    with pytest.raises(ModelLoadError, match=r"sklearn\.tree\._tree\.Tree") as caught:
        open_model(path)
    assert "trusted=[" in str(caught.value.hint)


@pytest.mark.parametrize("how", ["pickle", "joblib", "skops"])
def test_an_estimator_of_another_version_is_warned_of_once(
    tmp_path: Path, classifier: Any, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    path = dump(classifier, tmp_path / "model", how)
    now = sklearn.__version__.encode()
    before = b"0" + now[1:]
    if how == "skops":
        path = rewrite(path, "schema.json", lambda text: text.replace(now, before))
    else:
        path.write_bytes(path.read_bytes().replace(now, before))
    open_model(path)
    assert warnings_in(caplog) == [
        f"{path} was saved by scikit-learn {before.decode()}, and {now.decode()} runs it: its answers may differ"
    ]


def test_an_estimator_that_predicts_nothing_is_told(tmp_path: Path) -> None:

    with pytest.raises(ModelLoadError, match="StandardScaler, which has no `predict`"):
        open_model(dump(StandardScaler(), tmp_path / "model", "pickle"))
