"""RouteConfiguration resources, and the HTTP filters that routes enable."""
