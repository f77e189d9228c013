"""Darknet's networks (`.cfg` and `.weights`) as ONNX models."""

from .convert import DARKNET_HEAD, HEAD_KEY, convert_darknet

__all__ = ["DARKNET_HEAD", "HEAD_KEY", "convert_darknet"]
