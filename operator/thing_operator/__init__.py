"""thing-operator: virtual things on Managed IoT Cloud, run from Kubernetes."""

__version__ = "0.1.0"
