"""Estimators that `skops.io.dump` wrote: the safe way to hand on what scikit-learn trained."""

from pathlib import Path

from skops.io import get_untrusted_types, load

from ..errors import UntrustedModelError
from .estimators import model_of, versions_checked
from .model import Model


def open_model(path: Path) -> Model:
    """The estimator, if all it is made of is trusted by skops.

    skops trusts no trees (forests, boosting): scikit-learn follows the indices in them without checks.

    Raises:
        UntrustedModelError: Something isn't.
    """
    untrusted = get_untrusted_types(file=path)
    if untrusted:
        raise UntrustedModelError(
            f"the model {path} has types that skops doesn't trust: {', '.join(untrusted)}",
            hint="if you trust them, open it in the handler's `load` with `skops.io.load(model, trusted=[...])`",
        )
    with versions_checked(path):
        estimator = load(path)
    return model_of(estimator, path, "sklearn_skops")
