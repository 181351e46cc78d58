"""The terms of the data, where the command line names no other."""

TERMS = """BLIFT terms of use

1. What is licensed. The compilation (selection, order, splits), the annotations and the files that
   describe them are offered under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).

2. What is not. Posts, titles, comments, pictures and videos belong to their authors and owners. No
   right to them is given here. The terms of Reddit and YouTube, and the law of your place, decide
   what you may do with them.

3. Newest version. Items are withdrawn when people ask. Whoever holds a copy moves to the newest
   version when one appears and deletes what it no longer holds.

4. People. Do not identify anyone, do not contact anyone through these data, do not present a
   simulated comment as somebody's own.

5. Research and education. The data are meant for studying content understanding and how audiences
   react. Decisions about individuals are excluded.

6. No warranty. The data are given as they are.
"""
