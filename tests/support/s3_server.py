"""An S3 server on this machine: moto's, as a package brings it, with answers of a busy service when a test asks for them."""

from __future__ import annotations

import itertools
import logging
import threading
import urllib.request

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

SECRET = "canary-secret"


class S3Server:
    """Serves buckets until it is closed.

    Attributes:
        endpoint: Its address.
        requests: Method and path of every request.
        busy_every: Every so-manieth request is answered with 503 `SlowDown`; 0 for none.
    """

    def __init__(self):
        self.requests = []
        self.busy_every = 0
        self._numbers = itertools.count(1)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ, start_response):
        self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if self.busy_every and next(self._numbers) % self.busy_every == 0:
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            words = f"<Error><Code>SlowDown</Code><Message>{environ.get('HTTP_AUTHORIZATION')}</Message></Error>"
            return [words.encode()]
        return self._application(environ, start_response)

    def environment(self):
        """The variables by which users name a server and an account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIACANARY",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def make_bucket(self, name):
        """Make an empty bucket."""
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        urllib.request.urlopen(request).close()

    def close(self):
        """End."""
        self._server.shutdown()
        self._server.server_close()
