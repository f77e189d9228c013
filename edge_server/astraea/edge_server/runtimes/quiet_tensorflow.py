"""TensorFlow and Keras, imported without the lines that they write to stderr on each start."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported; 2 leaves its errors

import keras
import tensorflow as tf

__all__ = ["keras", "tf"]
