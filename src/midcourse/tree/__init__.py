"""What is learnt from: a trajectory as one tree of tokens, packed into rows that a model reads once."""

from midcourse.tree.token_tree import BuiltTree, Pair, TokenTree, TreeOptions, build_tree

__all__ = ["BuiltTree", "Pair", "TokenTree", "TreeOptions", "build_tree"]
