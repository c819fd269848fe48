#!/usr/bin/env bash
# pyarrow: of two ways to open the same bucket one obeys AWS_ENDPOINT_URL, and the other goes to Amazon
#
# Expected: AWS_ENDPOINT_URL, which the AWS tools and pyarrow itself read, says where S3 is, however the filesystem is made.
# Happens: FileSystem.from_uri("s3://...") asks the server that the variable names. S3FileSystem() takes key, secret and
#   region from the environment, but not the endpoint: what is meant for a store of one's own goes to Amazon's host of the
#   region (here a region that does not exist, so that nothing is sent).
# Versions: pyarrow 26.0.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FileSystem.from_uri: 1 request(s) at AWS_ENDPOINT_URL, 0 file(s) listed
#   S3FileSystem(): 0 request(s) at AWS_ENDPOINT_URL, AWS Error NETWORK_CONNECTION
#   S3FileSystem(endpoint_override=...): 1 request(s) at AWS_ENDPOINT_URL, 0 file(s) listed
#   expected: 1 request each
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib pyarrow==26.0.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = []


class EmptyStore(BaseHTTPRequestHandler):
    """Answers every listing with an empty bucket."""

    def do_GET(self):
        asked.append(self.path)
        body = b'<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>'
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyStore)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
os.environ.update(AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_EC2_METADATA_DISABLED="true")
os.environ.update(AWS_REGION="nowhere-1", AWS_DEFAULT_REGION="nowhere-1", no_proxy="*")

from pyarrow import fs

once = {"retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=1), "connect_timeout": 5, "request_timeout": 10}
ways = {
    "FileSystem.from_uri": lambda: fs.FileSystem.from_uri("s3://bucket/folder")[0],
    "S3FileSystem()": lambda: fs.S3FileSystem(**once),
    "S3FileSystem(endpoint_override=...)": lambda: fs.S3FileSystem(endpoint_override=url, **once),
}
requests = {}
for name, make in ways.items():
    asked.clear()
    try:
        answer = f"{len(make().get_file_info(fs.FileSelector('bucket')))} file(s) listed"
    except OSError as error:
        answer = re.search("AWS Error [A-Z_]+", str(error))[0]
    requests[name] = len(asked)
    print(f"{name}: {len(asked)} request(s) at AWS_ENDPOINT_URL, {answer}")
print("expected: 1 request each")
if list(requests.values()) != [1, 0, 1]:
    sys.exit("changed: the ways agree, or none reads the variable")
print("still there")
PYTHON
