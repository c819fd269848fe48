"""A server on loopback that gives files as the hub and release pages do, and breaks off when a test asks for it."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        shop = self.server.shop
        path = self.path.partition("?")[0]
        shop.asked.append((path, self.headers.get("range", "")))
        if path.startswith("/api/models/"):
            return self.answer(200, json.dumps(shop.listing).encode(), "application/json")
        data = shop.files.get(path.rpartition("/resolve/")[2].partition("/")[2] if "/resolve/" in path else path)
        if data is None:
            return self.answer(404, b"none")
        start = int(self.headers["range"][6:].rstrip("-")) if "range" in self.headers else 0
        if start >= len(data) > 0:
            return self.answer(416, b"")
        part = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(part)))
        self.end_headers()
        cut = shop.breaks.pop(0) if shop.breaks else None
        self.wfile.write(part[:cut])
        if cut is not None:
            self.close_connection = True
        return None

    def answer(self, code, body, kind="text/plain"):
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Shop:
    """What the server has, and what it was asked for."""

    def __init__(self, address):
        self.address = address
        self.files = {}
        self.listing = {}
        self.breaks = []
        self.asked = []

    def repository(self, name, files):
        """A repository of the hub, with the digests that the hub publishes of its large files."""
        self.files |= files
        siblings = [
            {
                "rfilename": path,
                "size": len(data),
                "blobId": "b",
                "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1},
            }
            for path, data in files.items()
        ]
        self.listing = {
            "id": name,
            "modelId": name,
            "sha": "c" * 40,
            "siblings": siblings,
            "private": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
        }


@pytest.fixture
def shop(monkeypatch):
    from huggingface_hub import utils

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop = server.shop = Shop(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", shop.address)
    monkeypatch.setenv("HF_TOKEN", "canary-token")
    utils.close_session()
    yield shop
    utils.close_session()
    server.shutdown()
    server.server_close()
    thread.join()
