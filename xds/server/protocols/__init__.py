"""The services that clients call: discovery over gRPC and over REST, and CSDS."""
