"""What a cold a0 has loaded when it comes to the user's code: learnt from a real one, once per environment."""
import os
import sys

from zygote import CONTROL, Refused

WAIT_S = 60


def watched_paths(a0):
    paths = [a0, os.path.join(os.path.dirname(os.path.dirname(a0)), 'pyvenv.cfg')]
    return [p for p in paths + [d for d in sys.path if d.endswith('-packages')] if os.path.exists(p)]


def stamp(a0):
    parts = [sys.version.replace('\n', ' ')]
    here = os.path.dirname(os.path.abspath(__file__))
    for path in watched_paths(a0) + [os.path.join(here, name) for name in sorted(os.listdir(here))]:
        st = os.stat(path)
        parts.append('%s %d %d' % (path, st.st_mtime_ns, st.st_size))
    return '|'.join(parts)


PROBE = """import os, sys
with open(os.environ['TERN_PROBE_OUT'], 'w') as f:
    f.write('\\n'.join(sys.modules))
os._exit(0)
"""


def probe_bundle():
    import io
    import tarfile
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:gz') as tar:
        info = tarfile.TarInfo('tern_probe.py')
        info.size = len(PROBE)
        tar.addfile(info, io.BytesIO(PROBE.encode()))
    return data.getvalue()


def probe_server(files):
    """The few S3 requests of a starting task, answered from a dictionary."""
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def answer(self, body=True):
            data = files.get(self.path.split('?')[0])
            status, extra = (200, {}) if data is not None else (404, {})
            data = data or b''
            total, span = len(data), self.headers.get('Range', '')
            if span.startswith('bytes=') and total:
                first, _, last = span[6:].partition('-')
                first, last = int(first), min(int(last or total - 1), total - 1)
                data, status = data[first:last + 1], 206
                extra['Content-Range'] = 'bytes %d-%d/%d' % (first, last, total)
            self.send_response(status)
            for k, v in {'Content-Length': len(data), 'ETag': '"1"', 'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
                         **extra}.items():
                self.send_header(k, str(v))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def do_GET(self):
            self.answer()

        def do_HEAD(self):
            self.answer(body=False)

        def do_POST(self):
            self.rfile.read(int(self.headers.get('Content-Length') or 0))
            self.answer()

        do_PUT = do_POST

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)


def probe_command(a0, endpoint, out):
    env = dict(os.environ, TERN_PROBE_OUT=out, RUN_NAME='probe', ACTION_NAME='a0', _U_RUN_BASE='s3://tern/run', _U_ORG_NAME='o',
               FLYTE_INTERNAL_EXECUTION_PROJECT='p', FLYTE_INTERNAL_EXECUTION_DOMAIN='d', _U_EP_OVERRIDE=endpoint,
               _U_INSECURE='true', _U_USE_ACTIONS='1', FLYTE_AWS_ENDPOINT=endpoint, FLYTE_AWS_ACCESS_KEY_ID='probe',
               FLYTE_AWS_SECRET_ACCESS_KEY='probe', NO_PROXY='127.0.0.1')
    args = [a0, '--inputs', 's3://tern/inputs.pb', '--outputs-path', 's3://tern/out', '--version', 'v',
            '--raw-data-path', 's3://tern/raw', '--checkpoint-path', 's3://tern/check', '--prev-checkpoint', '',
            '--run-name', 'probe', '--name', 'a0', '--run-start-time', '2026-01-01T00:00:00Z',
            '--tgz', 's3://tern/probe.tar.gz', '--dest', '.',
            '--resolver', 'flyte._internal.resolvers.default.DefaultTaskResolver', 'mod', 'tern_probe', 'instance', 'task']
    return args, env


def learn(a0, out):
    """Runs one cold a0 to the point where it imports the user's module. In a process of its own: it may import anything."""
    import shutil
    import subprocess
    import tempfile
    import threading
    server = probe_server({'/tern/probe.tar.gz': probe_bundle(), '/tern/inputs.pb': b''})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    args, env = probe_command(a0, 'http://127.0.0.1:%d' % server.server_address[1], out)
    work = tempfile.mkdtemp(prefix='tern-probe-')
    try:
        subprocess.run(args, env=env, cwd=work, stdin=subprocess.DEVNULL, timeout=WAIT_S, check=False)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def learn_apart(a0, out):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        os.close(CONTROL)
        learn(a0, out)
    finally:
        os._exit(0)


def cold_modules(a0, cache):
    now = stamp(a0)
    try:
        with open(cache) as f:
            lines = f.read().split('\n')
        if lines[0] == now:
            return lines[1:]
    except OSError:
        pass
    out = '%s.%d' % (cache, os.getpid())
    learn_apart(a0, out)
    try:
        with open(out) as f:
            names = [n for n in f.read().split('\n') if n not in ('__main__', 'tern_probe')]
        os.unlink(out)
    except OSError:
        raise Refused('a cold a0 did not come as far as the user\'s module') from None
    with open(out, 'w') as f:
        f.write('\n'.join([now] + names))
    os.rename(out, cache)
    return names
