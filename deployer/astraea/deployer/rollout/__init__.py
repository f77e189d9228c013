"""A new revision takes over from the old one in steps, as long as it does no worse.

judging    whether it does: pure
sampling   what its instances and the old ones measured
sharing    how the broker shares devices out among revisions
canary     the steps
"""
