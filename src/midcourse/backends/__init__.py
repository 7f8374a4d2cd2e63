"""Who generates: a stream of tokens with alternatives, from token ids."""
