"""Object stores and web servers: what is read and written at ``s3://``, ``gs://``, ``hf://`` and ``https://``."""
