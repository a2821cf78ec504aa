"""HTTP for a twin's own program: read a shadow, report, and listen, without certificates and without Kubernetes."""
