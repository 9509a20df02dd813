"""The pipeline of the profile `logs`, by what its configuration says, on real lines of ours."""
