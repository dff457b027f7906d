"""What notifications are sent to: a real HTTP server that can fail, stall and redirect, and a real SMTP server."""
import http.server
import queue
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP


class Received:
    def __init__(self, handler, body):
        self.method, self.path, self.body = handler.command, handler.path, body
        self.headers = handler.headers


class Receiver(http.server.ThreadingHTTPServer):
    """answers[path] is a list of statuses, headers or events for the next requests to it; then all are answered 200."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port=0):
        self.answers, self.got = {}, queue.Queue()
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def next(self, seconds=60):
        return self.got.get(timeout=seconds)

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def any_method(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        wanted = self.server.answers.get(self.path)
        answer = wanted.pop(0) if wanted else 200
        self.server.got.put(Received(self, body))
        if isinstance(answer, threading.Event):
            answer.wait()
            answer = 200
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_TRACE = do_PATCH = do_CONNECT = any_method

    def log_message(self, *args):
        pass


@contextmanager
def http_receiver(port=0):
    receiver = Receiver(port)
    try:
        yield receiver
    finally:
        receiver.stop()


class Mail:
    def __init__(self, envelope):
        self.sender, self.recipients = envelope.mail_from, list(envelope.rcpt_tos)
        self.message = message_from_bytes(envelope.content, policy=policy.default)


class Inbox:
    """answers: replies to the next mails in place of 250."""

    def __init__(self):
        self.mails, self.answers, self.logins = queue.Queue(), [], []

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.mails.put(Mail(envelope))
        return "250 taken"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    def login(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"the-right-one")

    def next(self, seconds=60):
        return self.mails.get(timeout=seconds)


@contextmanager
def smtp_receiver(tls=None, login=False, at_once=False):
    """tls: by STARTTLS, or at_once from the first byte."""
    inbox = Inbox()

    class Server(Controller):
        def factory(self):
            later = None if at_once else tls
            return SMTP(inbox, hostname="localhost", tls_context=later, require_starttls=bool(later), auth_required=login,
                        authenticator=inbox.login, auth_require_tls=not at_once)

        def _trigger_server(self):  # which connects to the port it was given
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    server = Server(inbox, hostname="127.0.0.1", port=0, ssl_context=tls if at_once else None)
    server.start()
    inbox.port = server.port
    try:
        yield inbox
    finally:
        server.stop()
