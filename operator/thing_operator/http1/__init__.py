"""Short requests over HTTP/1.1: persistent connections to one server, answers read whole."""
