"""The index: sparse vectors on disk, committed in generations, and the exact search over them."""
