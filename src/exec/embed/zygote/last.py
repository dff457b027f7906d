"""The end of a task."""
import sys


class Last:
    """What was there before the fork is never freed: that would copy most of the pages that a task shares with the others, and nobody
    could see it. What the task has made ends by the interpreter's own hand and at its own time. A cold interpreter at its end

    * forgets the modules and collects; nothing of the task's is found, for threads of the SDK still hold the SDK, and so the task;
    * empties the modules that are still there, the last imported first; only then the SDK lets go of the task;
    * empties sys and builtins, and collects again.

    Here forget() takes the old modules out of it, except for one that stands for them all: when its turn comes, let_go() empties
    those that the task has seen or changed, and lets go of what the SDK holds."""

    def keep(self, gc, names):
        self.modules = {n: self.dict_of(sys.modules[n]) for n in names if n != '__main__'}
        self.sizes = [len(d) for d in self.modules.values()]
        self.caches = [o for o in gc.get_objects() if type(o).__name__ == '_lru_cache_wrapper']
        self.cached = [c.cache_info().currsize for c in self.caches]
        self.registries = {n: [(x, type(x)(x)) for k, x in d.items() if type(x) in (list, dict, set) and k[:2] != '__']
                           for n, d in self.modules.items()}
        # A context is the task's as well: when an import has set a context variable, the main thread goes on with that very context.
        kept = [o for o in gc.get_objects() if type(o) is not sys.modules['contextvars'].Context]
        kept.append(kept)

    def dict_of(self, module):
        if not issubclass(type(module), type(sys)):
            return {}  # whatever a package puts among the modules, such as a library of cffi's
        return object.__getattribute__(module, '__dict__')  # some are loaded when they are asked for anything, even isinstance()

    def hold(self, value):
        """As the SDK holds a task."""
        next(x for n, known in self.registries.items() if n.startswith('flyte.') for x, _ in known if type(x) is list).append(value)

    def arm(self, top):
        """top: the names of the program, which hold the task's main module."""
        self.top = top
        self.place = type(sys)('<tern>')
        self.place.hook = Hook(self.let_go)
        sys.__interactivehook__ = Hook(self.forget)

    def forget(self):
        for name in ('stdin', 'stdout', 'stderr'):  # what comes next anyway, for which the modules must be there
            setattr(sys, name, getattr(sys, '__%s__' % name, None))
        mine = [(n, m) for n, m in sys.modules.items() if n not in self.modules]
        sys.modules.clear()
        sys.modules['<tern>'] = self.place
        sys.modules.update(mine)
        self.seen = {n for _, m in mine if issubclass(type(m), type(sys)) for v in self.dict_of(m).values() for n in self.module_of(v)}
        self.top.pop('MAIN', None)

    def module_of(self, value):
        kind, name = type(value), None
        if issubclass(kind, type(sys)):
            name = self.dict_of(value).get('__name__')
        elif issubclass(kind, type):
            name = type.__getattribute__(value, '__module__')
        elif kind is type(Hook.__del__):
            name = value.__module__
        return [name] if isinstance(name, str) else []

    def let_go(self):
        changed = [n for n, size in zip(self.modules, self.sizes) if len(self.modules[n]) != size or n in self.seen]
        for name in reversed(changed):
            if name not in ('sys', 'builtins'):
                self.empty(self.modules[name])
        for name in self.modules:
            if name in changed or name.startswith('flyte.'):
                self.restore(self.registries[name])
        for cache, size in zip(self.caches, self.cached):
            if cache.cache_info().currsize != size:
                cache.cache_clear()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass  # as when it is freed

    def restore(self, registries):
        """The lists, dictionaries and sets of a module that has been emptied hold nothing of the task's any more."""
        for now, before in registries:
            if len(now) != len(before):
                now.clear()
                (now.extend if type(now) is list else now.update)(before)

    def empty(self, names):
        """As the interpreter does it."""
        for private in (True, False):
            for name in names:
                if name != '__builtins__' and private == (name[:1] == '_' and name[1:2] != '_'):
                    names[name] = None


class Hook:
    """Calls when nothing holds it any more. The interpreter clears sys.__interactivehook__ when the functions of atexit have run and
    what is garbage then is collected, before it drops the modules."""

    def __init__(self, call):
        self.call = call

    def __del__(self):
        if sys.is_finalizing():
            self.call()


def leave(error):
    """What to raise so that the interpreter ends as if it had got the error itself, without the frame of this file."""
    error.__traceback__ = error.__traceback__.tb_next
    if isinstance(error, SystemExit):
        return SystemExit(error.code)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        sys.excepthook = lambda *_: None
        return KeyboardInterrupt()
    return SystemExit(1)


LAST = Last()
