"""RouteConfiguration resources and the HTTP filters that routes turn on."""
