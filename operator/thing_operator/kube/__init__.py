"""The API server for any operator: client, what is kept of an object, status writer, Events. Knows no kind of ours."""
