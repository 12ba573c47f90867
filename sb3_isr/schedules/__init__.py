"""When the caregiver attends, and what it is asked."""
