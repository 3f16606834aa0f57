"""Collections of texts: readers of documents, queries and judgements, and the built-in sample."""
