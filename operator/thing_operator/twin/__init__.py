"""What is decided of one Thing, without I/O: what its spec comes to, what to send, what its status says."""
