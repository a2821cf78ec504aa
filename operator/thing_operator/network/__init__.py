"""Where hosts are: addresses by name, asked for in threads that tenants share."""
