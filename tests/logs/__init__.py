"""Tests of the pipeline of the profile `logs`: its configuration applied to real log lines."""
