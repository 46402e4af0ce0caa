"""Waiting for a condition: always with a deadline, never for a guessed time."""
import time


class Late(AssertionError):
    """The deadline came first."""


def until(what, condition, seconds=10.0, every=0.1):
    """Ask condition() until it is true, and return what it said. what: for the message, a string or a function."""
    deadline = time.monotonic() + seconds
    while True:
        said = condition()
        if said:
            return said
        if time.monotonic() >= deadline:
            raise Late("after %.0f s still not: %s" % (seconds, what() if callable(what) else what))
        time.sleep(every)
