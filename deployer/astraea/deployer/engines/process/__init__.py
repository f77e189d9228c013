"""Instances as local processes: each node is a folder, and an agent that keeps what the folder asks for running.

An agent's end never ends an instance, so a node goes on serving without its agent; the next agent, which the next
deployment starts, finds the running processes and looks after them again. Instances have the environment that the
node's agent was started with. The resources that a template asks for are not set aside: processes share the machine.
"""

from .engine import ProcessEngine

__all__ = ["ProcessEngine"]
