"""Media files: what may be read, FFmpeg, decoding, and the windows and views that models look at."""
