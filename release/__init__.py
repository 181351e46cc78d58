"""Releases: stage, check, describe, publish, verify and withdraw what goes to the Hub."""
