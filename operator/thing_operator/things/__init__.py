"""The kind Thing: what a pass gathers, decides, does and says."""
