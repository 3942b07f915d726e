"""A web server in a thread that serves one file, well or badly."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 1200  # 300 KB: several chunks


class Server(ThreadingHTTPServer):
    """Answers ``/<behaviour>``; ``requests`` holds path and Range of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()  # lets stalled answers end

    def url(self, behaviour: str) -> str:
        return f'http://127.0.0.1:{self.server_port}/{behaviour}'


class Handler(BaseHTTPRequestHandler):
    """One method per behaviour."""

    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get('Range')))
        getattr(self, self.path.strip('/'))()

    def answer(self, status: int, body: bytes, **headers: object) -> None:
        self.send_response(status)
        for name, value in {'Content_Length': len(body), **headers}.items():
            self.send_header(name.replace('_', '-'), str(value))
        self.end_headers()
        self.wfile.write(body)

    def start(self) -> int:
        match = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        return int(match[1]) if match else 0

    def good(self) -> None:
        start = self.start()
        if start >= len(CONTENT):
            self.answer(416, b'')
        elif start:
            span = f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}'
            self.answer(206, CONTENT[start:], Content_Range=span)
        else:
            self.answer(200, CONTENT)

    def ignores_range(self) -> None:
        self.answer(200, CONTENT)

    def truncates(self) -> None:
        """Half of what is asked for, at every request."""
        start = self.start()
        half = CONTENT[start : (start + len(CONTENT) + 1) // 2]
        span = f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}'
        status = 206 if start else 200
        self.answer(status, half, Content_Length=len(CONTENT) - start, Content_Range=span)

    def gives_nothing(self) -> None:
        self.answer(200, b'', Content_Length=len(CONTENT))

    def corrupts(self) -> None:
        self.answer(200, CONTENT[:1000] + b'\0' + CONTENT[1001:])

    def shifts_range(self) -> None:
        """Another part than was asked for."""
        self.answer(206, CONTENT[5:], Content_Range=f'bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}')

    def stalls(self) -> None:
        self.answer(200, CONTENT[:1000], Content_Length=len(CONTENT))
        self.wfile.flush()
        self.server.released.wait(20)

    def announces_more(self) -> None:
        self.answer(200, CONTENT, Content_Length=len(CONTENT) + 10)

    def announces_less(self) -> None:
        self.answer(200, CONTENT, Content_Length=len(CONTENT) - 10)

    def says_nothing_of_length(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def redirects(self) -> None:
        self.answer(302, b'', Location=self.server.url('good'))

    def redirects_to_file(self) -> None:
        self.answer(302, b'', Location='file:///etc/hostname')

    def redirects_to_ftp(self) -> None:
        self.answer(302, b'', Location='ftp://127.0.0.1/file')

    def redirects_for_ever(self) -> None:
        self.answer(302, b'', Location=self.server.url('redirects_for_ever'))

    def not_found(self) -> None:
        self.answer(404, b'no such thing')


@contextmanager
def serve() -> Iterator[Server]:
    """Run a server until the end of the block."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
