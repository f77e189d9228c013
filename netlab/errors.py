"""What can go wrong with a network of one's own."""


class NetlabError(Exception):
    """A namespace or link could not be set up or has died; the message says why."""
