"""The auditor's replay of a budget: its events one by one, and what each did."""
