"""Letters to people: what each change and each payment says to "you", in plain English."""
