"""`make bench`: the rows of the performance table, each measured next to its limit or peer in the same run.

Absolute figures drift with the machine; the ratio is the result. Not part of the wheel.
"""
