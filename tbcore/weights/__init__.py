"""Where checkpoints come from: the language model's file, the shipped tower and painter; all known by hash."""

__all__ = []
