"""What the caregiver said: batches of labels, the label store, files, how labels are drawn, and their range."""

from sb3_isr.labels.attributed import AttributedLabels
from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.labels.file_errors import LabelFileError
from sb3_isr.labels.label_formats import read_labels, write_labels
from sb3_isr.labels.label_range import LabelRange
from sb3_isr.labels.store import LabelStore
from sb3_isr.labels.transitions import Transitions

__all__ = [
    "AttributedLabels",
    "LabelBatch",
    "LabelFileError",
    "LabelRange",
    "LabelStore",
    "QueryPool",
    "Transitions",
    "read_labels",
    "write_labels",
]
