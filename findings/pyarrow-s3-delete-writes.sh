#!/usr/bin/env bash
# pyarrow: deleting an object from S3 writes another one, so a bucket that is emptied file by file is not empty
#
# Expected: an object store has no folders; where the last object below a prefix is deleted, nothing is left.
# Happens: delete_file puts an empty object named like the folder of the deleted one, and so does create_dir for every
#   folder on the way. Programs that list the bucket by other means find objects that nobody wrote, whose names end in "/".
# Versions: pyarrow 26.0.1, moto 5.2.5 (an S3 server on loopback); seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   after writing run/tables/a.parquet: ['run/tables/a.parquet']
#   after delete_file of it: ['run/tables/']
#   expected: []
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib pyarrow==26.0.1 "moto[server]==5.2.5"
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import logging
import os
import re
import sys
import urllib.request

from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://{}:{}".format(*server.get_host_and_port())
os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_EC2_METADATA_DISABLED="true", no_proxy="*")
urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT"))


def objects():
    with urllib.request.urlopen(f"{url}/bucket?list-type=2") as answer:
        return re.findall("<Key>(.*?)</Key>", answer.read().decode())


from pyarrow import fs

s3 = fs.S3FileSystem(endpoint_override=url, region="us-east-1")
with s3.open_output_stream("bucket/run/tables/a.parquet") as stream:
    stream.write(b"bytes")
print(f"after writing run/tables/a.parquet: {objects()}")
s3.delete_file("bucket/run/tables/a.parquet")
left = objects()
print(f"after delete_file of it: {left}")
print("expected: []")
server.stop()
if left != ["run/tables/"]:
    sys.exit("changed: nothing, or something else, is left")
print("still there")
PYTHON
