"""Who may do what: roles, the people and programs that have them, and whose budgets they reach."""
