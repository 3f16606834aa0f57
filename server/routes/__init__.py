"""One module a group of routes. Each handler parses, calls one function of the pipeline, and formats."""
