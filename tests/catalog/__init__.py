"""The catalog: from bytes to the model, with every mistake that can be found on the way."""
