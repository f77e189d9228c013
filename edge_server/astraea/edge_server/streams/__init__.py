"""Frames that come as a stream, whatever carries them: sessions, and the ways into one."""
