"""One file a command: options to a configuration, one library call, print. torch is imported only inside commands."""
