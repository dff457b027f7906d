"""A warm Python; zygote.py is its program. Here is what its files share."""
import os
import sys

ARGV = list(sys.argv)
CONTROL = 3


class Refused(Exception):
    pass


def must_end(pid, what):
    import time
    for _ in range(500):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            if status:
                raise Refused('%s ended with status %d' % (what, status))
            return
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise Refused('%s hung' % what)
