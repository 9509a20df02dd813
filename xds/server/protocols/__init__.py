"""The services that clients call: discovery by gRPC and by REST, and CSDS."""
