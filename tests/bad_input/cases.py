"""Bad input of every kind: how it is made, what is typed, and the exit code and words that are promised.

`docs/bad-input.md` is made of this list and of what the commands really print (`make bad-input`). A kind that is added
to the file of its area is tested and stands on the page.
"""

from tests.bad_input.arms_files import ARMS_FILES
from tests.bad_input.case import Case
from tests.bad_input.data_sets import DATA_SETS
from tests.bad_input.distances import DISTANCES
from tests.bad_input.documents import DOCUMENTS
from tests.bad_input.edits import EDITS
from tests.bad_input.engines import ENGINES
from tests.bad_input.executors import EXECUTORS
from tests.bad_input.exposures import EXPOSURES
from tests.bad_input.faces import FACES
from tests.bad_input.images import IMAGES
from tests.bad_input.options import OPTIONS
from tests.bad_input.other_programs import OTHER_PROGRAMS
from tests.bad_input.protocols import PROTOCOLS
from tests.bad_input.segmentation import SEGMENTATION
from tests.bad_input.shares import SHARES
from tests.bad_input.styles import STYLES
from tests.bad_input.targets import TARGETS
from tests.bad_input.training import TRAINING

#: In the order of the page.
CASES: tuple[Case, ...] = (
    *IMAGES,
    *PROTOCOLS,
    *DATA_SETS,
    *OTHER_PROGRAMS,
    *DOCUMENTS,
    *TARGETS,
    *OPTIONS,
    *ARMS_FILES,
    *EXECUTORS,
    *TRAINING,
    *STYLES,
    *FACES,
    *EDITS,
    *ENGINES,
    *DISTANCES,
    *SHARES,
    *SEGMENTATION,
    *EXPOSURES,
)
