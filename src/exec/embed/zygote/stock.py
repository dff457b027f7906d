"""What every task makes before it comes to the user's code, made ahead of it."""
import os
import sys


class Stock:
    """What every a0 makes before it comes to the user's code, made ahead by the same functions from the same arguments: SSL contexts
    with the root certificates (the SDK makes two clients of httpx, 20 ms each), clients of pyqwest. Each is given once. Before any
    code of the user's runs the functions are the old ones again: at the latest when a module is imported that is not there yet."""

    COUNT = 2

    def __init__(self):
        self.contexts, self.clients, self.replaced = [], [], []
        self.meta_path = None

    def make_contexts(self):
        ssl, certifi = sys.modules.get('ssl'), sys.modules.get('certifi')
        if ssl and certifi and not os.environ.get('SSLKEYLOGFILE'):
            self.cafile = certifi.where()
            self.contexts = [ssl.create_default_context(cafile=self.cafile) for _ in range(self.COUNT)]

    def make_clients(self):
        session = sys.modules.get('flyte.remote._client.auth._session')
        if session:
            self.clients = [session._build_pyqwest_client(None) for _ in range(self.COUNT)]

    def lay_out(self, lent=False):
        """From now on they are given instead of new ones; or lent, to who throws them away."""
        self.replace(self.contexts, lent, 'ssl', 'create_default_context', cafile=self.contexts and self.cafile)
        self.replace(self.clients, lent, 'flyte.remote._client.auth._session', '_build_pyqwest_client', None)
        if self.replaced:
            self.meta_path = sys.meta_path
            sys.meta_path = [self, *sys.meta_path]

    def replace(self, stock, lent, module, name, *args, **kwargs):
        if not stock:
            return
        make = getattr(sys.modules[module], name)

        def take(*a, **k):
            if not stock or (a, k) != (args, kwargs):
                return make(*a, **k)
            return stock[-1] if lent else stock.pop()

        setattr(sys.modules[module], name, take)
        self.replaced.append((module, name, make))

    def put_away(self):
        if self.meta_path is not None:
            sys.meta_path, self.meta_path = self.meta_path, None
        while self.replaced:
            module, name, make = self.replaced.pop()
            setattr(sys.modules[module], name, make)

    def find_spec(self, *_):
        """Of a finder of modules: it is asked first, and never knows."""
        self.put_away()


STOCK = Stock()


def do_ahead():
    """Every a0 has made clients before it comes to the user's code. The first one of a process starts the threads of a runtime and
    fills caches. Nothing is connected."""
    try:
        STOCK.make_clients()
        STOCK.lay_out(lent=True)
        make_api_client()
    except Exception:
        pass  # of another SDK: a task makes its own, and says what is wrong
    finally:
        STOCK.put_away()


def make_api_client():
    """Thrown away: what is made once for a process stays."""
    control = sys.modules.get('flyte.remote._client.controlplane')
    making = control and control.ClientSet.for_endpoint('http://127.0.0.1:9', insecure=True)
    try:
        if making:
            making.send(None)  # without an event loop: it does not wait for anything
    except StopIteration:
        pass
    finally:
        if making:
            making.close()
