"""Which operator runs the Things of which namespaces: Leases, and until when specs can be vouched for."""
