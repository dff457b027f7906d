WORDS = ["from", "uv"]
