"""The JSON documents that the tool writes and reads, a file for each family."""
