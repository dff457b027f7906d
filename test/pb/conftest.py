import os
import sys

import pytest

HERE = os.path.dirname(__file__)
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'api'), os.path.join(HERE, '..')]  # harness.py, waiting.py

from tool import Tool  # noqa: E402


@pytest.fixture(scope='session')
def tool():
    t = Tool()
    yield t
    t.close()
