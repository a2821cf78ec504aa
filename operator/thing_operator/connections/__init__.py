"""What a Thing is connected by: its credentials, its claim to the thing, and its session."""
