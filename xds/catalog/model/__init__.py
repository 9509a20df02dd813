"""The catalog's classes, one file for each subject with its own checks."""
