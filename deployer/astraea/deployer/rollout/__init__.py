"""A new revision takes over from the old one in steps, as long as it does no worse.

plan       the steps, as they are asked for: pure
judging    whether it does worse: pure
sampling   what its instances and the old ones measured
sharing    how the broker shares devices out among revisions
canary     the steps, gone by whoever looks: the command, or the controller when that is gone
"""
