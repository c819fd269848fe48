"""A bucket on this machine: what pyarrow asks of S3 and of Google Cloud Storage, for objects in a dictionary."""

from __future__ import annotations

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

_SAME = (("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("ETag", '"1"'))


class Bucket:
    """Serves ``objects`` (key -> bytes) as the bucket ``corpus`` until it is closed.

    Attributes:
        requests: Method and path of every request.
        busy: So many of the next requests are answered with 503.
        denied: Every request is refused, with the request's own signature in the answer.
    """

    def __init__(self):
        self.objects = {}
        self.requests = []
        self.busy = 0
        self.denied = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"bucket": self}))
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def log_message(self, *_):
        """Say nothing."""

    def _answer(self, status, body=b"", head=(), length=-1):
        self.send_response(status)
        for name, value in head:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        store = self.bucket
        store.requests.append(f"{self.command} {self.path}")
        url = urllib.parse.urlsplit(self.path)
        asked = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        name, _, key = urllib.parse.unquote(url.path).lstrip("/").partition("/")
        if store.busy > 0:
            store.busy -= 1
            self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
        elif store.denied:
            words = f"<Error><Code>AccessDenied</Code><Message>{self.headers.get('Authorization')}</Message></Error>"
            self._answer(403, words.encode())
        elif url.path.startswith("/storage/v1/b/corpus/o"):
            self._google(urllib.parse.unquote(url.path.partition("/o/")[2]), asked)
        elif name != "corpus":
            self._answer(404)
        elif "list-type" in asked:
            self._answer(200, self._listing(asked["prefix"][0] if "prefix" in asked else ""))
        elif key not in store.objects:
            self._answer(404)
        elif self.command == "HEAD":
            self._answer(200, head=_SAME, length=len(store.objects[key]))
        else:
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            part = store.objects[key][int(first) : int(last) + 1]
            place = f"bytes {first}-{int(first) + len(part) - 1}/{len(store.objects[key])}"
            self._answer(206, part, (*_SAME, ("Content-Range", place)))

    def _google(self, key, asked):
        """The JSON interface: list, facts of an object, its bytes."""
        objects = self.bucket.objects
        if key and key not in objects:
            self._answer(404, b'{"error": {"code": 404, "message": "none"}}')
        elif asked.get("alt") == ["media"]:
            self._answer(200, objects[key])
        else:
            prefix = asked.get("prefix", [""])[0]
            names = [key] if key else [name for name in sorted(objects) if name.startswith(prefix)]
            facts = [{"name": name, "bucket": "corpus", "size": str(len(objects[name]))} for name in names]
            self._answer(200, json.dumps(facts[0] if key else {"items": facts}).encode())

    def _listing(self, prefix):
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<Size>{len(data)}</Size></Contents>"
            for key, data in sorted(self.bucket.objects.items())
            if key.startswith(prefix)
        )
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<ListBucketResult xmlns="{space}"><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>'.encode()
