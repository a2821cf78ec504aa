"""A control plane and a cloud on this machine, for the demo, the tests and users' own CI."""
