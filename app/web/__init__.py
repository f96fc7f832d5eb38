"""HTTP and websockets: the guard, the routes, the stream writers. Never bcc, never numpy."""
