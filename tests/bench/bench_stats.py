# SPDX-License-Identifier: MIT
"""Figures of turns, in which the programs to be compared alternate, and how far to trust them."""
import os
import pathlib
import statistics
import time

QUIET = 0.1  # busier than that with other things, and close rivals cannot be told apart
LOOK = 0.2  # s


def quartiles(values):
    """(first, third); of few values the extremes."""
    if len(values) < 4:
        return min(values), max(values)
    first, _, third = statistics.quantiles(values, n=4, method='inclusive')
    return first, third


def ratio(ours, peers):
    """How many times less ours is than the peer's: of the medians; and half of all turns lie in the spread.

    Both are lists of times, one for each turn.  What disturbs a turn is likely to hit both.
    """
    low, high = quartiles([peer / our for our, peer in zip(ours, peers)])
    return {'ratio': statistics.median(peers) / statistics.median(ours), 'low': low, 'high': high}


class Others:
    """How busy the machine is while nothing of ours runs, of 1 for each CPU; by looking now and then."""

    def __init__(self):
        self.shares = []

    @staticmethod
    def _times():
        # user nice system idle iowait irq softirq steal
        fields = [int(n) for n in pathlib.Path('/proc/stat').read_text().split('\n', 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    def look(self):
        before = self._times()
        time.sleep(LOOK)
        total, idle = (b - a for a, b in zip(before, self._times()))
        self.shares.append(1 - idle / total if total else 0)

    def share(self):
        return statistics.mean(self.shares) if self.shares else None


class Priority:
    """While entered, this process and its children go before all others, if that is allowed.

    Where sessions are scheduled as groups (autogroup), the group's priority is what counts.
    """

    GROUP = pathlib.Path('/proc/self/autogroup')

    def __init__(self):
        self.granted = False

    def __enter__(self):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -20)
            self.granted = True
            self._set_group(-20)
        except OSError:
            pass
        return self

    def __exit__(self, *_):
        if self.granted:
            os.setpriority(os.PRIO_PROCESS, 0, 0)
            self._set_group(0)

    def _set_group(self, nice):
        if self.GROUP.exists():
            self.GROUP.write_text(str(nice))
