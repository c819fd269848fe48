"""What runs inside a Ray worker: decoding, distortion synthesis, quality teachers, student inference and mining."""
