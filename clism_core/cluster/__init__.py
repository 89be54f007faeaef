"""The Ray cluster: connection, nodes, collectives between workers, graceful stop."""
