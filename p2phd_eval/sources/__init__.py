"""Where images come from: folders, archives, shards, lists, arrays and generators, all read in one way."""
