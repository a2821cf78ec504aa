"""The API server for any operator: client, snapshots, status writer, Events. Knows no kind of ours."""
