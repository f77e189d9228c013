"""MLServer around the handler: `mlserver start` with a folder that names this runtime, with its defaults."""

import json

from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from .handler import Finder


class Runtime(MLModel):  # type: ignore[misc] # see above
    """As its documentation shows for an image: base64 in the Open Inference Protocol's JSON."""

    async def load(self) -> bool:
        self._find = Finder()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        jpeg = Base64Codec.decode_input(payload.inputs[0])[0]
        output = StringCodec.encode_output("plates", [json.dumps(self._find(jpeg))])
        return InferenceResponse(model_name=self.name, outputs=[output])
