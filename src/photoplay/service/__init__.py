"""photoplay as a service: an API, a durable queue, plans and accounts, and the studio's pages."""
