"""A real RTSP server, GStreamer's: H.264 of a test pattern at rtsp://127.0.0.1:PORT/live until it is killed.

Debian's Python runs it, which has GStreamer's bindings: `/usr/bin/python3 rtsp_server.py PORT`.
"""

import sys

import gi  # type: ignore[import-not-found] # Debian's Python has it

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found] # noqa: E402 - only after the versions

PIPELINE = (
    "( videotestsrc is-live=true pattern=red ! video/x-raw,width=320,height=240,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 )"
)


def main() -> None:
    Gst.init(None)
    if Gst.ElementFactory.find("x264enc") is None:
        sys.exit("there is no x264enc")
    if len(sys.argv) < 2:
        return
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[1])
    factory = GstRtspServer.RTSPMediaFactory(launch=PIPELINE, shared=True)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
