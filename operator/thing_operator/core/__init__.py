"""The ground floor, which imports nothing of ours: errors, reasons, clock, durations, work queue, small tools."""
