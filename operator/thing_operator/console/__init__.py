"""The console: a page of this machine over a person's kubeconfig, which reads and never writes."""
