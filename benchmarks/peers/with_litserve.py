"""LitServe around the handler: `python -m benchmarks.peers.with_litserve PORT`, with its defaults."""

import sys
from typing import Any

import litserve
from fastapi import Request

from .handler import Finder


class Api(litserve.LitAPI):  # type: ignore[misc] # see above
    """As its documentation shows for an image: a form with a file."""

    def setup(self, device: str) -> None:
        self._find = Finder()

    def decode_request(self, request: Request) -> bytes:
        body: bytes = request["image"].file.read()  # LitServe passes the form
        return body

    def predict(self, x: bytes) -> dict[str, Any]:
        return self._find(x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    litserve.LitServer(Api(), accelerator="cpu").run(
        port=int(sys.argv[1]), log_level="warning", generate_client_file=False
    )
