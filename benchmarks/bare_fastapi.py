"""What a careful person writes by hand around a handler: FastAPI and uvicorn, nothing besides.

`python -m benchmarks.bare_fastapi FOLDER PORT`. The body is read whole, the handler runs in a thread, and what it
returns is JSON as it is: no form, no response model, no metrics, no limits, which would all cost more.
"""

import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from astraea.edge_server.handler import import_handler
from astraea.models import pull
from astraea.protocol import load_service_spec


def create_app(folder: Path) -> FastAPI:
    spec = load_service_spec(folder)
    handler = import_handler(folder.resolve() / str(spec.handler))
    assert handler.load is not None  # noqa: S101 - ours has one
    name = str(spec.model)
    model = handler.load(pull(name) if name.startswith("zoo:") else folder.resolve() / name)
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        answer: dict[str, Any] = await run_in_threadpool(handler.predict, model, await request.body())
        return JSONResponse(answer)

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="warning", loop="uvloop")
