import os
import sys

import pytest

HERE = os.path.dirname(__file__)
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'api'), os.path.join(HERE, '..')]  # harness.py, waiting.py

from harness import Tern  # noqa: E402
from tool import Tool  # noqa: E402


@pytest.fixture(scope='session')
def tool():
    t = Tool()
    yield t
    t.close()


@pytest.fixture(scope='session')
def server(tmp_path_factory):
    """Nothing changes it: tests share it."""
    tern = Tern(tmp_path_factory.mktemp('served') / 'tern').start()
    yield tern
    tern.finish()
