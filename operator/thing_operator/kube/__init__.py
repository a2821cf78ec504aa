"""The API server for any operator: client, watches, records, status writer, Events. Knows no kind of ours."""
