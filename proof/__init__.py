"""`make proof`: what Credenza promises, shown at full volume against real processes that are really killed.

Every claim is one function of its volume; tests/proof runs the same functions at a hundredth. Not part of the wheel.
"""
