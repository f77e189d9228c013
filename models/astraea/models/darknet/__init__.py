"""Darknet's networks (`.cfg` and `.weights`) as ONNX models."""

from .convert import convert_darknet

__all__ = ["convert_darknet"]
