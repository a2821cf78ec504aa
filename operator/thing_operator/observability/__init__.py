"""What others see of the operator: metrics, health checks, their HTTP servers, logs."""
