"""What JSON may cost before it is parsed: as objects of Python, `[],[],[]` takes thirty times what it does as bytes."""

from .errors import TooLargeError
from .limits import Limits

_STARTS = (b",", b"[", b"{")


def check_json(body: bytes, limits: Limits) -> None:
    """Count what may begin a value, without parsing; those in texts count too.

    Raises:
        TooLargeError: It is more than `limits.json_values`.
    """
    if len(body) > limits.json_values and sum(map(body.count, _STARTS)) > limits.json_values:
        raise TooLargeError(
            f"the JSON has more than {limits.json_values} values; send large tensors as bytes, over /v2 or as .npy"
        )
