"""The page for operators: what is where, how it does, who gets what, and the few buttons that change it.

Rendered here, so that it works in any browser, by keyboard and without scripts; a small script keeps it up to date and
saves reloading. Nothing is fetched from elsewhere.
"""

from .routes import router

__all__ = ["router"]
