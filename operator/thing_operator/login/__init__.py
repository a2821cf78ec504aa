"""How a client of the API server is logged in: kubeconfigs, service accounts, plugins, and the proxy on the way."""
