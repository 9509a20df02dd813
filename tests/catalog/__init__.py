"""The catalog: from bytes to the model, and every mistake on the way."""
