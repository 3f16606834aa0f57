"""Learned sparse retrieval: encode, index, search and evaluate."""
