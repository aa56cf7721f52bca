"""The curves of a training in TensorBoard and MLflow, through their own libraries."""
