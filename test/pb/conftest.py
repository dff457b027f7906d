import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from tool import Tool  # noqa: E402


@pytest.fixture(scope='session')
def tool():
    t = Tool()
    yield t
    t.close()
