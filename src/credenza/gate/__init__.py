"""The data plane: admits or refuses calls."""
