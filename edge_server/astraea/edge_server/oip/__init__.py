"""The Open Inference Protocol, version 2, over HTTP, with its binary tensor data extension.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol/binary-tensor-data-extension

A service is one model with one version, its revision. What its tensors are:

| service | input | output |
| --- | --- | --- |
| a model without a handler | the model's own | the model's own |
| `predict(model, image: Image)` | `image`: UINT8 [height, width, 3], RGB; or BYTES [1], an image file | as below |
| `predict(model, x: Tensor)` | `input`: numbers of any type and shape | as below |
| any other `predict` | `input`: BYTES [1], the body that `POST /predict` takes | as below |
| `predict(...) -> Tensor` | | `output`: what was returned |
| any other `predict` | | `output`: BYTES [1], the JSON that `POST /predict` replies |

Compressed bodies, shared memory, classification and the type BF16 are refused.
"""
