from __future__ import annotations

import subprocess
import sys

# In a process of its own, since an import happens once. The failed import of the first lines is what a user's
# own `import torchvision` leaves behind where the compiled operators do not load.
SCRIPT = """
try:
    import torchvision
except RuntimeError:
    pass
from p2phd_eval import torchvision_ops
torchvision_ops.declare_missing_operators()
torchvision_ops.declare_missing_operators()
import torch, torchvision.extension, torchvision.transforms
from pytorch_fid.inception import FIDInceptionA
assert torch.ops.torchvision.nms
print(torchvision_ops._library is not None, torchvision.extension._has_ops())
"""


def test_operators_are_declared_exactly_where_the_compiled_ones_do_not_load() -> None:
    result = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() in ("True False", "False True")
