"""Captions of clips and scenes: by rule, or by a language model whose answers are checked."""
