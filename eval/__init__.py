"""Measures, runs, significance and baselines: how good a search is, and how sure of that we are."""
