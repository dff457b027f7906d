"""A few S3 requests from memory, so that a real a0 can load its bundle and store its result. For tests of the warm pool only; the
program's own endpoint has its own tests."""
import http.server
import threading


class Store:
    def __init__(self):
        self.files = {}
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def key(self):
                return self.path.split('?')[0]

            def answer(self, status, data=b'', body=True, **extra):
                self.send_response(status)
                self.send_header('Content-Length', str(len(data)))
                self.send_header('ETag', '"x"')
                self.send_header('Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT')
                for k, v in extra.items():
                    self.send_header(k.replace('_', '-'), v)
                self.end_headers()
                if body:
                    self.wfile.write(data)

            def do_GET(self, body=True):
                data = store.files.get(self.key())
                if data is None:
                    return self.answer(404)
                span = self.headers.get('Range')
                if not span:
                    return self.answer(200, data, body)
                first, last = (int(x) for x in span[6:].split('-'))
                part = data[first:last + 1]
                return self.answer(206, part, body, Content_Range='bytes %d-%d/%d' % (first, first + len(part) - 1, len(data)))

            def do_HEAD(self):
                self.do_GET(body=False)

            def do_PUT(self):
                store.files[self.key()] = self.rfile.read(int(self.headers['Content-Length']))
                self.answer(200)

            def do_POST(self):
                self.rfile.read(int(self.headers.get('Content-Length') or 0))
                self.answer(404)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = 'http://127.0.0.1:%d' % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
