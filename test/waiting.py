"""How tests wait: for what they look for, never for a time."""
import time


def wait_until(look, what='it', seconds=60):
    """Looks again and again until there is something, and returns it. The end only says that it will never come: a
    machine with other work to do may be slow."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f'waited {seconds} s for {what}'
        time.sleep(0.02)
    return found
