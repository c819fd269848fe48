"""Which videos a run works on: listing what the user named, cutting windows, and splitting them."""
