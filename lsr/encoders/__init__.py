"""Encoders: texts to sparse vectors over a model's vocabulary. Start with ``load_encoder``."""
