"""What tells, in tests, whether an object is gone."""

import gc


class Thing:
    """Takes attributes, and can be referred to weakly."""


def collected(*dead):
    for _ in range(3):
        gc.collect()
    return all(reference() is None for reference in dead)
