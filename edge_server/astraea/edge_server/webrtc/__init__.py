"""Video over WebRTC: published with WHIP (RFC 9725), decoded, answered, and the results sent back on a data channel.

Needs the extra `webrtc` (aiortc and PyAV); only `whip` is imported before the first offer comes.
"""
