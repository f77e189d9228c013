"""A service, opened: from a request's body to the reply's, in one go and in one thread."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from astraea.models import pull
from astraea.protocol import ServiceSpec

from .batcher import Batcher
from .batching import BatchPolicy
from .errors import HandlerError
from .exchange import RawHeaders
from .handler import Handler, import_handler, load_model, reported
from .image_model import image_handler, plate_reader
from .inputs import decode_image
from .limits import Limits
from .outputs import encode_output
from .revisions import label
from .runtimes import Model, open_model
from .tensor_batch import computes_together
from .tensor_model import example_of, tensor_handler

_logger = logging.getLogger(__name__)

_WARM_UP_SIZE_PX = (640, 480)


class Form(Protocol):
    """How the bodies of a request and its reply are written; one may serve a single request, and remember it."""

    headers: RawHeaders
    """The reply's, such as its content type; read after `encode`."""

    def decode(self, body: bytes) -> Any:
        """What `predict` takes, from the request's body; raises a RequestError that says what is wrong with it."""

    def encode(self, output: Any) -> bytes:
        """The reply's body, from what `predict` returned; raises a ValueError if it can't be written."""


class Answer(NamedTuple):
    """The body of a reply, and how long each stage of it took."""

    body: bytes
    headers: RawHeaders
    """What the form of the reply says of it."""
    revision: str
    """Of the service that made it."""
    began_s: float
    """When the work on it began, by `time.perf_counter`."""
    decode_ms: float
    infer_ms: float
    post_ms: float


class _Native:
    """A body is what the handler's annotation says, a reply is JSON."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self.headers: RawHeaders = [(b"content-type", b"application/json")]
        self._handler = handler
        self._limits = limits

    def decode(self, body: bytes) -> Any:
        return self._handler.input.decode(body, self._limits)

    def encode(self, output: Any) -> bytes:
        return encode_output(output, self._handler.output)


class Service:
    """A handler with its model loaded."""

    def __init__(
        self, handler: Handler, model: Any, limits: Limits, opened: Model | None = None, revision: str = "unnamed"
    ) -> None:
        self.revision = revision
        """Which version of the service it is, as replies say it."""
        self.input = handler.input
        self.output = handler.output
        """The annotation of what `predict` returns; None when there is none."""
        self.opened = opened
        """The model as a runtime has opened it, with its tensors; None if there is none, or `load` did it."""
        self.tensors = handler.tensors
        """The model, if its tensors go in and out because there is no handler; else None."""
        self.limits = limits
        self.form: Form = _Native(handler, limits)
        """That of `POST /predict`."""
        self.batcher = _batcher(handler, model, limits)
        """Computes several inputs at once; None if the handler can't, or may not."""
        self._handler = handler
        self._model = model
        self._infer = self.batcher.run if self.batcher else partial(handler.predict, model)

    def answer(self, body: bytes, form: Form | None = None) -> Answer:
        """Decode, infer and encode the answer; several threads may do so at once.

        Args:
            body: The request's.
            form: How it is written, and the answer is to be; that of `POST /predict` without.

        Raises:
            RequestError: The body isn't what the handler takes.
            Exception: Whatever the handler raised, or ValueError for an answer that JSON can't say.
        """
        form = form or self.form
        began = perf_counter()
        value = form.decode(body)
        decoded = perf_counter()
        output = self._infer(value)
        inferred = perf_counter()
        content = form.encode(output)
        done = perf_counter()
        return Answer(
            content,
            form.headers,
            self.revision,
            began,
            (decoded - began) * 1e3,
            (inferred - decoded) * 1e3,
            (done - inferred) * 1e3,
        )

    def warm_up(self) -> None:
        """Answer once: the first time is slow, and shows whether handler and model fit together.

        Only images can be made up, and tensors whose shape the model declares; a service that takes something else is
        as warm as it gets once it is loaded.

        Raises:
            HandlerError: `predict` raised an exception, or its answer is no JSON.
        """
        example = self.tensors and example_of(self.tensors)
        if example is not None:
            with reported(self._handler.path, "can't compute with tensors of zeros"):
                self._handler.predict(self._model, example)
        if self.input.decode is decode_image:
            with reported(self._handler.path, "can't answer an image of plain noise"):
                self.answer(_noise())


def _batcher(handler: Handler, model: Any, limits: Limits) -> Batcher | None:
    if handler.predict_batch is None or limits.batch == 1:
        return None
    batch = handler.predict_batch

    def call(inputs: list[Any]) -> Sequence[Any]:
        return batch(model, inputs) if len(inputs) > 1 else [handler.predict(model, inputs[0])]

    return Batcher(call, BatchPolicy(limits.batch, limits.batch_wait_s))


def open_service(folder: Path, spec: ServiceSpec, limits: Limits, revision: str | None = None) -> Service:
    """Import the handler, fetch the model if it is one of the zoo, and load it. Runs the handler's code.

    Without a handler, images go into a model that tells what it makes of them, and tensors into any other.

    Args:
        folder: The service's folder, with the template, the handler and maybe the model.
        spec: The template, as `load_service_spec(folder)` reads it.
        limits: What the service accepts.
        revision: What tells this build from others; the template's version without.

    Raises:
        HandlerError: The handler can't be used.
        ModelFormatError, ModelLoadError, MissingExtraError: The model can't be opened without a `load` of the handler's
            own.
        ModelError: The model can't be had, or isn't what it seems.
    """
    revision = revision or label(spec.version)
    if spec.handler is None:
        return _without_handler(folder, spec.model, limits, revision)
    handler = import_handler(folder.resolve() / spec.handler)
    path = _locate(folder, spec.model)
    if handler.load is not None:
        return Service(handler, load_model(handler, path), limits, revision=revision)
    opened = open_model(path) if path else None
    return Service(handler, opened and opened.native, limits, opened, revision)


def _without_handler(folder: Path, model: str | None, limits: Limits, revision: str) -> Service:
    path = _locate(folder, model)
    if path is None:
        raise HandlerError(
            f"{folder}: the template names neither a model nor a handler",
            hint="add `model: FILE`; or write a handler, and add `handler: handler.py` to astraea.yaml",
        )
    if (reader := plate_reader(path)) is not None:
        return Service(*reader, limits, revision=revision)
    opened = open_model(path)
    if (for_images := image_handler(path, opened)) is not None:
        handler, opened = for_images
        return Service(handler, opened.native, limits, opened, revision)
    together = limits.batch > 1 and computes_together(opened)
    _logger.info("requests that come together are computed %s", "together" if together else "one by one")
    return Service(tensor_handler(path, opened, together=together), opened.native, limits, opened, revision)


def _locate(folder: Path, model: str | None) -> Path | None:
    if model is None:
        return None
    return pull(model) if model.startswith("zoo:") else folder.resolve() / model


def _noise() -> bytes:
    """A JPEG in which there is nothing to find, of a camera's usual size."""
    width, height = _WARM_UP_SIZE_PX
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()
