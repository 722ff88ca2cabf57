"""How long the proofs are: small in every test run, long in `make soak`."""

import os

SOAK = os.environ.get("MIDSTREAM_SOAK") == "1"


def at_scale(small: int, soak: int) -> int:
    """How many cases to run: `small` in every test run, `soak` in `make soak`."""
    return soak if SOAK else small
