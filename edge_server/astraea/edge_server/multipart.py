"""`POST /predict` from an HTML form or `curl -F image=@photo.jpg`: the one field's content is the body."""

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from .errors import BadInputError
from .exchange import RawHeaders
from .service import Service

_CONTENT_TYPE = b"content-type"


def is_multipart(content_type: bytes) -> bool:
    """Whether a request with this header has a form for its body."""
    return content_type[:20].lower().startswith(b"multipart/form-data")


class MultipartForm:
    """A service's form, with the request's body inside of a form's field; its name doesn't matter.

    Raises:
        BadInputError: The header doesn't say what is between the fields.
    """

    def __init__(self, service: Service, content_type: bytes) -> None:
        self.headers: RawHeaders = service.form.headers
        self._service = service
        self._boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not self._boundary:
            raise BadInputError("the Content-Type of the form has no boundary")

    def decode(self, body: bytes) -> Any:
        """What `predict` takes, from the field's content."""
        content_type, content = _only_part(body, self._boundary)
        self._service.input.check_media_type(content_type.decode("latin-1"))
        return self._service.form.decode(content)

    def encode(self, output: Any) -> bytes:
        """The reply's body, as it is for any request."""
        return self._service.form.encode(output)


def _only_part(body: bytes, boundary: bytes) -> tuple[bytes, bytes]:
    """The content type and content of the one field of a form."""
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise BadInputError(f"the form is damaged: {str(error)[:120]}") from None
    if parts.count != 1 or not parts.ended:
        found = f"{parts.count} fields" if parts.ended else "no end"
        raise BadInputError(f"the form has {found}; a form of one field is taken")
    return parts.content_type, b"".join(parts.content)


class _Parts:
    """What the parser finds, of any number of parts: the bytes of all, and the last one's type."""

    def __init__(self) -> None:
        self.count = 0
        self.ended = False
        self.content_type = b""
        self.content: list[bytes] = []
        self._field = b""
        self._value = b""

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_part_data": lambda data, start, end: self.content.append(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self.count += 1

    def _end(self) -> None:
        self.ended = True

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._field.lower() == _CONTENT_TYPE:
            self.content_type = self._value
        self._field = self._value = b""
