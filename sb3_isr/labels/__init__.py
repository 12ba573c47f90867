"""What the caregiver said: batches of labels, the label store, how labels are drawn, and their range."""

from sb3_isr.labels.batch import LabelBatch, QueryPool
from sb3_isr.labels.label_file import LabelFileError
from sb3_isr.labels.label_range import LabelRange
from sb3_isr.labels.store import LabelStore
from sb3_isr.labels.transitions import Transitions

__all__ = ["LabelBatch", "LabelFileError", "LabelRange", "LabelStore", "QueryPool", "Transitions"]
