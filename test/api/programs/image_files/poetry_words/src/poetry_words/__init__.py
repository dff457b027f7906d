WORDS = ["from", "poetry"]
