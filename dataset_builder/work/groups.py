"""Things that belong together: disjoint sets over 0, 1, 2, …"""

from collections.abc import Iterator


class Groups:
    """Union-find with path halving; the root of a group is its smallest member."""

    def __init__(self, size: int = 0) -> None:
        self._parent = list(range(size))

    def add(self) -> int:
        """One more member, alone in its group; returns it."""
        self._parent.append(len(self._parent))
        return self._parent[-1]

    def root(self, member: int) -> int:
        """The smallest member of its group."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def join(self, one: int, other: int) -> bool:
        """Make two groups one; False where they were."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low
        return low != high

    def several(self) -> Iterator[list[int]]:
        """The groups of more than one member, by their smallest; members in order."""
        found: dict[int, list[int]] = {}
        for member in range(len(self._parent)):
            found.setdefault(self.root(member), []).append(member)
        return (members for members in found.values() if len(members) > 1)
