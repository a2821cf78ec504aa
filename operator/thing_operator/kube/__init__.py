"""The API server for any operator: client, watches, snapshots, status writer, Events. Knows no kind of ours."""
