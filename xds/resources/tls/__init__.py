"""TLS contexts and Secret resources."""
