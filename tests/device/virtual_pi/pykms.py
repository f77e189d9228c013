"""Lets picamera2 import its preview on a display, which nobody opens: kms++ is not in Debian."""


class _Names:
    def __getattr__(self, name: str) -> str:
        return name


PixelFormat = _Names()
