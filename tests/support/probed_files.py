"""Rows of files as the probe of ingest gives them."""


def probed(name, content, duration=9.0):
    """A usable file of this name and content id."""
    row = {"video_id": f"id-{name}", "uri": f"{name}.mp4", "content_id": content, "duration_s": duration}
    return row | {
        "width": 320,
        "height": 240,
        "fps": 24.0,
        "codec": "h264",
        "bytes": 9000,
        "status": "ok",
        "error_kind": "",
        "error": "",
    }


def broken(name):
    """A file that cannot be decoded."""
    empty = {"content_id": "", "duration_s": 0.0, "width": 0, "height": 0, "fps": 0.0, "codec": "", "bytes": 0}
    return probed(name, "") | empty | {"status": "failed", "error_kind": "decode", "error": f"{name}.mp4: no frame"}
