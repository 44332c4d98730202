"""What a person pays towards their care: facts, dated rates, and the assessment. Pure."""
