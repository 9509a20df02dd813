"""The endpoints of each service from all providers: pure rules over instances, without policy and without YAML."""
