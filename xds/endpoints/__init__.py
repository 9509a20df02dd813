"""Who answers for each service, from whatever source: pure rules over instances, without policy and without YAML."""
