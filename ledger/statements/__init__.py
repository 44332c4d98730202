"""Statements of a budget: what was owed, paid and put right in a period, and why."""
