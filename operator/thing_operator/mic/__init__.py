"""Client of MIC's Cloud API."""
