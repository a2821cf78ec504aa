"""A fleet that is there already becomes Things in files, and nothing of it changes."""
