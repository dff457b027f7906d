LIST = ["from", "folder"]
